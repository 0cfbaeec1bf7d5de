import { performance } from "node:perf_hooks";
import type { AskOptions } from "../ask-models.ts";
import { modelsOfFlags } from "../config/ad-hoc.ts";
import type { Config } from "../config/config.ts";
import { dataFolder } from "../config/environment.ts";
import { loadConfig } from "../config/load.ts";
import { suggestName } from "../config/nearest.ts";
import { readAnswerForm } from "../intake/answer-form.ts";
import { UserError } from "../job/errors.ts";
import type { ResultLine } from "../job/result.ts";
import type { OpenFleet } from "../open-fleet.ts";
import { modelsNamed } from "../routing/named-models.ts";
import { figuresOf, startAskDisplay } from "./ask-display.ts";
import { readPrompts } from "./ask-prompts.ts";
import { onStopSignals } from "./run.ts";

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
  /** In ms. */
  readonly timeout: number;
  readonly config?: string;
  readonly fleet?: string;
  readonly redis?: string;
  readonly dataDir?: string;
  readonly json: boolean;
}

interface Opened {
  readonly opened: OpenFleet;
  readonly ask: Omit<AskOptions, "onWait">;
}

/** `promptfleet ask`: one question, to a route or to several models. */
export async function ask(prompt: string | undefined, flags: AskFlags): Promise<number> {
  const form = readAnswerForm(flags) ?? {};
  const { common, own } = await readPrompts(prompt, flags, process.stdin);
  const names = namesOf(flags, [...own.keys()]);
  const { config: configPath, fleet, model, baseUrl } = flags;
  const config = await loadConfig({ configPath, fleet, model, models: names, baseUrl });
  checkTask(config, flags.task);
  const shared = { ...form, system: flags.system, private: flags.private, task: flags.task };
  if (names === undefined) {
    const question = { ...shared, model: modelsOfFlags({ model, baseUrl }).model, prompt: common };
    return withOpened(config, flags, (opened) => askRoute(question, opened, flags));
  }
  const questions = modelsNamed(config, names, "--models").map(({ alias }, at) => {
    const name = names[at]!;
    const text = own.get(name) ?? common;
    if (text === undefined) throw new UserError(`expected a prompt for ${name}: --as ${name}=…, or one for all`);
    return { ...shared, model: alias, prompt: text };
  });
  return withOpened(config, flags, (opened) => askModels(questions, opened, flags));
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
  action: (opened: Opened) => Promise<number>,
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

type Question = Readonly<Record<string, unknown>>;

async function askRoute(question: Question, { opened, ask }: Opened, { json }: AskFlags): Promise<number> {
  const { askTogether, planQuestion } = await import("../ask-models.ts");
  const planned = planQuestion(question, "1", opened.plan);
  if (!planned.ok) throw new UserError(planned.message);
  const onWait = (_id: string, reason: string | undefined) => {
    if (reason !== undefined) process.stderr.write(`waits: ${reason}\n`);
  };
  const result = await askTogether({ ...ask, onWait }, (askOne) => askOne(planned));
  if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else if (result.text !== null) process.stdout.write(`${result.text.trimEnd()}\n`);
  if (!json) process.stderr.write(`${result.model ?? "no model"} · ${figuresOf(result)}\n`);
  if (!json && result.error !== null) process.stderr.write(`${result.error.message}\n`);
  return result.status === "answered" ? 0 : 2;
}

async function askModels(questions: readonly Question[], { opened, ask }: Opened, flags: AskFlags): Promise<number> {
  const { askTogether, planQuestion } = await import("../ask-models.ts");
  const startedMs = performance.now();
  const aliases = questions.map(({ model }) => String(model));
  const display = flags.json ? undefined : startAskDisplay(aliases, process);
  const onWait = display?.wait;
  const results = await askTogether({ ...ask, onWait }, (askOne) =>
    Promise.all(
      questions.map(async (question, at) => {
        const result = await askOne(planQuestion(question, aliases[at]!, opened.plan));
        display?.show(aliases[at]!, result);
        return result;
      }),
    ),
  ).finally(() => display?.end());
  if (flags.json) process.stdout.write(`${JSON.stringify(togetherJson(aliases, results, startedMs))}\n`);
  return results.every(({ status }) => status === "answered") ? 0 : 2;
}

/** What `--json` says of several models. */
function togetherJson(aliases: readonly string[], results: readonly ResultLine[], startedMs: number) {
  return {
    answers: results.map(({ id: _id, index: _index, ...result }, at) => ({ ...result, model: aliases[at]! })),
    cost_usd: results.reduce((sum, { cost_usd }) => sum + cost_usd, 0),
    wall_s: Math.round(performance.now() - startedMs) / 1_000,
  };
}
