import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Config } from "../config/config.ts";
import { dataFolder, redisUrl } from "../config/environment.ts";
import { examine } from "../examine.ts";
import { settleFinishedOutput } from "../finished-output.ts";
import { readAnswerForm } from "../intake/answer-form.ts";
import { type Input, openInput } from "../intake/open-input.ts";
import { UserError } from "../job/errors.ts";
import { createLatencies } from "../job/latency.ts";
import type { AnswerForm } from "../job/row.ts";
import { readLatenciesIfThere } from "../look-at-redis.ts";
import { planJson } from "../plan-json.ts";
import { planRun, type RunPlan } from "../plan-run.ts";
import { prepareLines } from "../prepare-lines.ts";
import { whyNoPrivateRows } from "../queue/redis-location.ts";
import { widthOf } from "./layout.ts";
import { planLines, type Unreachable } from "./plan-text.ts";
import { configOf, type OpenedRun, type RunFlags, runInput, withOpenedRun } from "./run.ts";
import { sampleOf } from "./send-sample.ts";

type FlagsOfRun = Pick<RunFlags, "concurrency" | "wait" | "json"> &
  Partial<
    Pick<
      RunFlags,
      | "output"
      | "config"
      | "fleet"
      | "task"
      | "model"
      | "forceModel"
      | "baseUrl"
      | "prompt"
      | "promptFile"
      | "system"
      | "schema"
      | "choices"
      | "consensus"
      | "consensusModels"
      | "redis"
      | "dataDir"
    >
  >;

export interface PlanFlags extends FlagsOfRun {
  /** So many rows are sent. */
  readonly sample?: number;
}

interface OpenedPlan {
  readonly config: Config;
  readonly input: Input;
  readonly answerForm: AnswerForm | undefined;
  readonly dataDirectory: string;
  readonly workPath: string | undefined;
}

/** `promptfleet plan`: what a run would do. Sends no prompt but those of `--sample`. */
export async function plan(source: string, flags: PlanFlags): Promise<number> {
  const { output, sample } = flags;
  if (output !== undefined) {
    return withOpenedRun(source, { ...flags, output }, (opened) => planWithOutput(opened, { ...flags, output }));
  }
  if (sample !== undefined) {
    throw new UserError("--sample needs -o OUTPUT: the answers are kept beside it, and run goes on with them");
  }
  const answerForm = readAnswerForm(flags);
  const config = await configOf(flags);
  const folder = mkdtempSync(join(tmpdir(), "promptfleet-plan-"));
  try {
    const input = await openInput(source, { spoolDirectory: join(folder, "input"), stdin: process.stdin });
    try {
      for (const notice of input.notices) process.stderr.write(`${notice}\n`);
      const dataDirectory = dataFolder(flags.dataDir);
      return await planInput({ config, input, answerForm, dataDirectory, workPath: undefined }, flags);
    } finally {
      await input.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function planWithOutput(opened: OpenedRun, flags: PlanFlags & { readonly output: string }): Promise<number> {
  const done = await settleFinishedOutput({ ...opened, fresh: false, retryFailed: false });
  if (done !== undefined) {
    process.stderr.write(
      `${flags.output} is whole already: there is nothing left to ask (run --fresh asks all again)\n`,
    );
    return 0;
  }
  if (flags.sample !== undefined) {
    const asRun = {
      confirmAbove: 0,
      replaceConfig: false,
      pull: false,
      retryFailed: false,
      fresh: false,
      strict: false,
      pools: true,
    };
    const exitCode = await runInput(opened, { ...flags, ...asRun }, sampleOf(flags.sample));
    if (exitCode !== 0) return exitCode;
  }
  return planInput(opened, flags);
}

async function planInput(opened: OpenedPlan, flags: PlanFlags): Promise<number> {
  const { config, input, answerForm, dataDirectory, workPath } = opened;
  const known = await readLatenciesIfThere({ url: flags.redis, dataDirectory }, config.fleet);
  const latencies = known ?? createLatencies();
  const url = redisUrl(flags.redis);
  const noPrivateRows = url === undefined ? undefined : await whyNoPrivateRows({ url }, config.policy.trustedHosts);
  const asRun = { answerForm, noPrivateRows, strict: false, pools: true };
  const lines = await prepareLines(config, input, { ...flags, ...asRun }, latencies);
  const planned = await planRun({ config, input, lines, latencies, workPath });
  const unreachable = await findUnreachable(config, planned);
  const timesFrom = known === undefined ? "nowhere" : "the fleet";
  process.stdout.write(
    flags.json
      ? `${JSON.stringify({ ...planJson(planned), waits_for: unreachable })}\n`
      : `${planLines(planned, unreachable, timesFrom, widthOf(process.stdout)).join("\n")}\n`,
  );
  return 0;
}

/** The models that rows would go to first and whose servers do not answer now. Costs nothing. */
async function findUnreachable(config: Config, { left }: RunPlan): Promise<Unreachable[]> {
  const aliases = new Set(left.groups.map(({ group }) => group.model));
  const tiers = new Set(left.groups.map(({ group }) => group.tier));
  const pick = <Value>(all: Readonly<Record<string, Value>>, names: ReadonlySet<string>): Record<string, Value> =>
    Object.fromEntries(Object.entries(all).filter(([name]) => names.has(name)));
  const { models } = await examine({
    ...config,
    tiers: pick(config.tiers, tiers),
    models: pick(config.models, aliases),
  });
  return [...models.values()].flatMap(({ alias, usable, reason = "for no known reason", mend }) =>
    usable ? [] : [{ model: alias, reason, ...(mend === undefined ? {} : { mend }) }],
  );
}
