import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { hostname } from "node:os";
import { basename, join, resolve } from "node:path";
import type { Config } from "../config/config.ts";
import { auditFolder, dataFolder, spendFolder } from "../config/environment.ts";
import { loadConfig } from "../config/load.ts";
import { settleFinishedOutput } from "../finished-output.ts";
import { readAnswerForm } from "../intake/answer-form.ts";
import { type Input, openInput } from "../intake/open-input.ts";
import { UserError } from "../job/errors.ts";
import { createLatencies } from "../job/latency.ts";
import type { AnswerForm, LineFormat } from "../job/row.ts";
import { joinRedis } from "../join-redis.ts";
import type { PlanRunOptions, RunPlan } from "../plan-run.ts";
import { takeLock } from "../queue/lock-file.ts";
import { checkOutputTarget } from "../results/output-target.ts";
import { lockPath } from "../results/run-state.ts";
import type { FileRun } from "../run-file.ts";
import type { RunPages } from "../serve/serve-run.ts";
import { startDisplay } from "./display.ts";
import { say } from "./say.ts";
import { onStopSignals } from "./stop-signals.ts";

export interface RunFlags {
  readonly output: string;
  readonly config?: string;
  readonly replaceConfig: boolean;
  readonly pull: boolean;
  readonly fleet?: string;
  readonly task?: string;
  readonly model?: string;
  readonly forceModel?: string;
  readonly baseUrl?: string;
  readonly prompt?: string;
  readonly promptFile?: string;
  readonly system?: string;
  readonly schema?: string;
  readonly choices?: readonly string[];
  readonly consensus?: number;
  readonly consensusModels?: readonly string[];
  readonly concurrency: Readonly<Record<string, number>>;
  readonly deadline?: number;
  readonly budget?: number;
  readonly confirmAbove: number;
  readonly wait: boolean;
  readonly retryFailed: boolean;
  readonly fresh: boolean;
  readonly strict: boolean;
  readonly format?: LineFormat;
  readonly redis?: string;
  readonly dataDir?: string;
  readonly pools: boolean;
  readonly json: boolean;
  /** Shows the run on loopback: on this port, or on the usual one. */
  readonly serve?: number | true;
}

/** `promptfleet run`. Returns the exit code of DESIGN.md 4.2. */
export async function run(source: string, flags: RunFlags): Promise<number> {
  if (flags.fresh && flags.retryFailed) {
    throw new UserError("expected --fresh or --retry-failed, found both; --fresh asks every row again");
  }
  return withOpenedRun(source, flags, (opened) => runInput(opened, flags));
}

/** What decides what is read and where its answers go. */
export type OpenFlags = Pick<RunFlags, "output" | "concurrency"> &
  Partial<Omit<RunFlags, "output" | "concurrency" | "wait" | "pools">>;

/** The configuration that the flags of `run` and `plan` choose. */
export function configOf(flags: Omit<OpenFlags, "output">): Promise<Config> {
  const { config, fleet, model, forceModel, baseUrl, concurrency, consensusModels } = flags;
  const named = (consensusModels ?? []).map((name) => ({ flag: "--consensus-models", name }));
  return loadConfig({ configPath: config, fleet, model, forceModel, baseUrl, named, concurrency });
}

/** Holds OUTPUT's lock and the open input for as long as the action takes. */
export async function withOpenedRun(
  source: string,
  flags: OpenFlags,
  action: (opened: OpenedRun) => Promise<number>,
): Promise<number> {
  const answerForm = readAnswerForm(flags);
  const config = await configOf(flags);
  const dataDirectory = dataFolder(flags.dataDir);
  const output = flags.output === "-" ? "-" : resolve(flags.output);
  await checkOutputTarget(output);
  const workPath = output === "-" ? stdoutWorkPath(dataDirectory, source) : output;
  const lock = takeLock(lockPath(workPath));
  if (!lock.held) {
    const { pid, host } = lock.holder;
    const isGone = host === hostname() ? "" : `, or, if that host is gone, remove ${lockPath(workPath)}`;
    throw new UserError(
      `another run (process ${pid} on ${host}) is writing ${flags.output}; wait for it, end it, or choose another output${isGone}`,
    );
  }
  try {
    const input = await openInput(source, { spoolDirectory: `${workPath}.part.input`, stdin: process.stdin });
    try {
      input.notices.forEach(say);
      return await action({ config, input, output, workPath, dataDirectory, answerForm });
    } finally {
      await input.close();
    }
  } finally {
    lock.release();
  }
}

export interface OpenedRun {
  readonly config: Config;
  readonly input: Input;
  readonly output: string;
  readonly workPath: string;
  readonly dataDirectory: string;
  readonly answerForm: AnswerForm | undefined;
}

/** A part of a run's rows, and who waits for them. */
export interface PartOfRun {
  choose(options: PlanRunOptions): Promise<ReadonlySet<number>>;
  attend(fileRun: FileRun): Promise<number>;
}

export async function runInput(opened: OpenedRun, flags: RunFlags, part?: PartOfRun): Promise<number> {
  const { config, input, output, workPath, dataDirectory, answerForm } = opened;
  const { fresh, retryFailed } = flags;
  const done = await settleFinishedOutput({ input, output, workPath, fresh, retryFailed });
  if (done !== undefined) {
    say(
      `${flags.output} is whole already: ${done.answered} answered, ${done.failed} failed (--fresh asks all again, --retry-failed the failed)`,
    );
    if (flags.json) process.stdout.write(`${JSON.stringify({ batch: null, state: "finished", ...done, output })}\n`);
    return done.failed > 0 ? 2 : 0;
  }
  let pages: RunPages | undefined;
  // Redis starts while the queues' and the adapters' packages load.
  const joining = joinRedis({ url: flags.redis, dataDirectory, trustedHosts: config.policy.trustedHosts });
  try {
    const [{ prepareLines }, { startFileRun }, { announcePlan }] = await Promise.all([
      import("../prepare-lines.ts"),
      import("../run-file.ts"),
      import("./announce-plan.ts"),
      joining,
    ]);
    const latencies = createLatencies();
    const redis = await joining;
    const { noPrivateRows } = redis;
    const lines = await prepareLines(config, input, { ...flags, answerForm, noPrivateRows }, latencies);
    const toPlan = { config, input, lines, latencies, workPath: fresh ? undefined : workPath, retryFailed };
    const only = await part?.choose(toPlan);
    if (only?.size === 0) return 0;
    const planned = part === undefined ? await announcePlan(toPlan, flags) : undefined;
    if (redis.notice !== undefined) say(redis.notice);
    const startedAtMs = Date.now();
    pages = flags.serve === undefined ? undefined : await openPages(flags.serve);
    const fileRun = await startFileRun({
      config,
      latencies,
      redis: redis.address,
      alone: redis.alone,
      input,
      lines,
      output,
      workPath,
      format: flags.format,
      optionsHash: hashOf({ config, flags: hashedFlags(flags), answerForm }),
      deadlineMs: flags.deadline,
      budgetUsd: flags.budget,
      ledgerDirectory: spendFolder(dataDirectory),
      fresh,
      retryFailed,
      only,
      withPools: flags.pools,
      replaceConfig: flags.replaceConfig,
      pullModels: flags.pull,
      auditDirectory: auditFolder(dataDirectory),
      noPrivateRows,
      onNotice: say,
    });
    pages?.show(fileRun, { batchId: fileRun.batchId, startedAtMs, inputName: basename(input.identity.source) });
    return await (part?.attend(fileRun) ?? watch(fileRun, flags, planned));
  } finally {
    pages?.close();
    await (await joining.catch(() => undefined))?.leave();
  }
}

async function openPages(port: number | true): Promise<RunPages> {
  const { openRunPages } = await import("../serve/serve-run.ts");
  const pages = await openRunPages(port === true ? undefined : port);
  say(`watch it at ${pages.url}/ (its queues: ${pages.url}/queues/)`);
  return pages;
}

/** Shows the run and passes signals on until it has ended. */
async function watch(fileRun: FileRun, { json }: RunFlags, planned: RunPlan | undefined): Promise<number> {
  const display = startDisplay(fileRun, { json, stream: process.stderr });
  const removeHandlers = onStopSignals(
    () => {
      display.note("stopping: finishing what is in flight; press Ctrl-C again to stop at once (both can be resumed)");
      fileRun.stopGently();
    },
    () => fileRun.stopNow(),
  );
  try {
    const summary = await fileRun.finished;
    display.end(summary);
    if (planned !== undefined && summary.state === "finished" && !json)
      say((await import("./plan-text.ts")).againstPlan(planned, summary));
    if (json) process.stdout.write(`${JSON.stringify(summary)}\n`);
    if (summary.state === "interrupted") return 130;
    if (summary.state === "budget_spent") return 3;
    return summary.failed > 0 ? 2 : 0;
  } finally {
    display.stop();
    removeHandlers();
  }
}

/** Segments of a run to stdout have no OUTPUT to lie beside. */
function stdoutWorkPath(dataDirectory: string, source: string): string {
  const directory = join(dataDirectory, "stdout");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return join(directory, `${hashOf(resolve(source)).slice(0, 16)}.jsonl`);
}

/** The options that decide what is asked, and so whether a resumed run goes on with the same questions. */
function hashedFlags(flags: RunFlags) {
  const { task, model, forceModel, baseUrl, prompt, promptFile, system, strict, consensus, consensusModels } = flags;
  return { task, model, forceModel, baseUrl, prompt, promptFile, system, strict, consensus, consensusModels };
}

const hashOf = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("hex");
