import { modelsOfFlags } from "../config/ad-hoc.ts";
import type { Config } from "../config/config.ts";
import { dataFolder } from "../config/environment.ts";
import { loadConfig } from "../config/load.ts";
import { suggestName } from "../config/nearest.ts";
import { readAnswerForm } from "../intake/answer-form.ts";
import type { ConsensusRule, Similarity } from "../job/consensus.ts";
import { UserError } from "../job/errors.ts";
import type { ResultLine } from "../job/result.ts";
import { consensusRuleOf } from "../routing/consensus-rule.ts";
import { modelsNamed } from "../routing/named-models.ts";
import { forTerminal } from "./answer-columns.ts";
import { figuresOf } from "./ask-display.ts";
import { readPrompts } from "./ask-prompts.ts";
import { type Asking, askSideBySide, type Question } from "./ask-together.ts";
import { onStopSignals } from "./stop-signals.ts";

export interface AskFlags {
  readonly task?: string;
  readonly model?: string;
  readonly models?: readonly string[];
  readonly as: readonly string[];
  readonly file?: string;
  readonly system?: string;
  readonly private: boolean;
  readonly schema?: string;
  readonly choices?: readonly string[];
  readonly baseUrl?: string;
  /** The share that must agree. */
  readonly consensus?: number;
  readonly economy: boolean;
  readonly judge?: string;
  readonly escalate?: string;
  readonly similarity?: Similarity;
  /** In ms. */
  readonly timeout: number;
  readonly config?: string;
  readonly fleet?: string;
  readonly redis?: string;
  readonly dataDir?: string;
  readonly json: boolean;
}

/** `promptfleet ask`: one question, to a route or to several models. */
export async function ask(prompt: string | undefined, flags: AskFlags): Promise<number> {
  const form = readAnswerForm(flags);
  const { common, own } = await readPrompts(prompt, flags, process.stdin);
  const names = namesOf(flags, [...own.keys()]);
  if (names === undefined) checkAlone(flags);
  const { config: configPath, fleet, model, baseUrl } = flags;
  const config = await loadConfig({ configPath, fleet, model, baseUrl, named: namedIn(names ?? [], flags) });
  checkTask(config, flags.task);
  const about = { ...form, system: flags.system, private: flags.private, task: flags.task };
  const shared = { ...about, prompt: common ?? own.values().next().value };
  if (names === undefined) {
    const question = { ...shared, model: modelsOfFlags({ model, baseUrl }).model };
    return withOpened(config, flags, (asking) => askRoute(question, asking, flags));
  }
  const models = modelsNamed(config, names, "--models");
  const questions = new Map(models.map(({ alias }, at) => [alias, { ...about, prompt: promptFor(names[at]!) }]));
  const rule = ruleOf(config, names, flags);
  return withOpened(config, flags, (asking) => askSideBySide({ questions, shared, rule, form }, asking, flags.json));

  function promptFor(name: string): string {
    const text = own.get(name) ?? common;
    if (text !== undefined) return text;
    throw new UserError(`expected a prompt for ${name}: --as ${name}=…, or one for all`);
  }
}

function namedIn(
  names: readonly string[],
  { judge, escalate, similarity }: AskFlags,
): { flag: string; name: string }[] {
  const others = { "--judge": judge, "--escalate": escalate, "--similarity": similarity?.model };
  return [
    ...names.map((name) => ({ flag: "--models", name })),
    ...Object.entries(others).flatMap(([flag, name]) => (name === undefined ? [] : [{ flag, name }])),
  ];
}

/** The flag of a field of the rule. */
const flagOf = (field: string): string => (field === "threshold" ? "--consensus" : `--${field}`);

function ruleOf(config: Config, models: readonly string[], flags: AskFlags): ConsensusRule | undefined {
  const { consensus: threshold, economy, judge, escalate, similarity } = flags;
  if (threshold !== undefined) {
    return consensusRuleOf(config, { models, threshold, economy, judge, escalate, similarity }, flagOf);
  }
  checkAlone(flags);
  return undefined;
}

/** @throws UserError for options that mean nothing without --consensus. */
function checkAlone({ consensus, models, economy, judge, escalate, similarity }: AskFlags): void {
  const rest = { "--judge": judge, "--escalate": escalate, "--similarity": similarity };
  const given = { "--economy": economy || undefined, ...rest };
  const alone = Object.entries(given).find(([, value]) => value !== undefined)?.[0];
  if (alone !== undefined && consensus === undefined) throw new UserError(`${alone} goes with --consensus`);
  if (consensus !== undefined && models === undefined) {
    throw new UserError("--consensus: expected the models that are to agree: --models a,b,c");
  }
}

/** Undefined where a route is asked, and not the models by their names. */
function namesOf({ model, models }: AskFlags, withPrompt: readonly string[]): readonly string[] | undefined {
  if (model !== undefined && models !== undefined) {
    throw new UserError("expected --model or --models, found both; leave one out");
  }
  if (models === undefined) {
    if (withPrompt.length > 0 && model !== undefined) throw new UserError("--as goes with --models, found --model");
    return withPrompt.length > 0 ? withPrompt : undefined;
  }
  if (models.length === 0) throw new UserError("--models: expected names of models by commas, found none");
  const stranger = withPrompt.find((name) => !models.includes(name));
  if (stranger === undefined) return models;
  throw new UserError(`--as ${stranger}=…: ${stranger} is not among --models; ${suggestName(stranger, models)}`);
}

function checkTask(config: Config, task: string | undefined): void {
  if (task === undefined || Object.hasOwn(config.tasks, task)) return;
  throw new UserError(`--task: unknown task "${task}": ${suggestName(task, Object.keys(config.tasks))}`);
}

async function withOpened(
  config: Config,
  flags: AskFlags,
  action: (asking: Asking) => Promise<number>,
): Promise<number> {
  const { openFleet } = await import("../open-fleet.ts");
  const stop = new AbortController();
  const removeHandlers = onStopSignals(
    () => stop.abort(),
    () => stop.abort(),
  );
  try {
    const opened = await openFleet({ config, redis: flags.redis, dataDirectory: dataFolder(flags.dataDir) });
    try {
      const asking = { fleet: opened.fleet, withPools: true, timeoutMs: flags.timeout, signal: stop.signal };
      const exitCode = await action({ opened, ask: asking });
      return stop.signal.aborted ? 130 : exitCode;
    } finally {
      await opened.fleet.leave(false);
      await opened.fleet.close();
      await opened.leaveRedis();
    }
  } finally {
    removeHandlers();
  }
}

/** A route that somebody tries: asked at once, in no queue, its text shown as it comes. */
async function askRoute(question: Question, { opened, ask }: Asking, { json }: AskFlags): Promise<number> {
  const { planQuestion } = await import("../ask-models.ts");
  const planned = planQuestion(question, "1", opened.plan);
  if (!planned.ok) throw new UserError(planned.message);
  const timeout = AbortSignal.timeout(ask.timeoutMs);
  const signal = AbortSignal.any([timeout, ...(ask.signal === undefined ? [] : [ask.signal])]);
  const words = createWords(process.stdout);
  const onText = json ? undefined : words.write;
  const { result } = await opened.fleet.askOnline({ payload: planned.row.payload, signal, onText });
  words.end();
  const said = timeout.aborted && result.status === "failed" ? timedOut(result, ask.timeoutMs) : result;
  if (json) process.stdout.write(`${JSON.stringify(said)}\n`);
  else {
    process.stderr.write(`${said.model ?? "no model"} · ${figuresOf(said)}\n`);
    if (said.error !== null) process.stderr.write(`${said.error.message}\n`);
  }
  return said.status === "answered" ? 0 : 2;
}

function timedOut(result: ResultLine, timeoutMs: number): ResultLine {
  const error = { code: "deadline_passed" as const, message: `no answer within ${timeoutMs / 1_000} s` };
  return { ...result, latency_ms: timeoutMs, error };
}

/** Writes a text as it comes, and its last line whole. */
function createWords(stream: NodeJS.WriteStream): { write(text: string): void; end(): void } {
  const onTerminal = stream.isTTY === true;
  let last = "\n";
  return {
    write(text) {
      stream.write(onTerminal ? forTerminal(text) : text);
      last = text.at(-1) ?? last;
    },
    end() {
      if (last !== "\n") stream.write("\n");
    },
  };
}
