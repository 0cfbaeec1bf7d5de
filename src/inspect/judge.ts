import { keyHome } from "../config/mend.ts";
import type { ModelLook } from "./look-at-model.ts";
import type { TierLook } from "./look-at-tier.ts";
import { hasLittleDisk, type MachineLook, sizeText } from "./machine.ts";
import type { RedisFacts } from "./redis-facts.ts";
import type { TimedCall } from "./timed-call.ts";

/** Something that its reader may want to mend. Only a problem makes `doctor` end with 2. */
export interface Finding {
  readonly level: "problem" | "note";
  readonly text: string;
  readonly mend?: string;
}

export interface Found {
  readonly tiers: readonly TierLook[];
  readonly models: readonly ModelLook[];
  /** Which tier each model of the registry is on, by alias. */
  readonly tierOf: (alias: string) => string | undefined;
  readonly taskCount: number;
  readonly tasksWithoutModel: readonly string[];
  readonly redis: { readonly problem?: string; readonly facts?: RedisFacts; readonly latencyMs?: number };
  readonly machine: MachineLook;
  readonly keyFileTroubles: readonly string[];
  readonly timedCalls: ReadonlyMap<string, TimedCall>;
  readonly hasLocalServer: boolean;
}

const slowRedisMs = 20;

/**
 * What is wrong, worst first. Pure. What nobody has set up is no problem by itself; a task for which nothing is left is
 * one, and so is everything that somebody set up and that does not work.
 */
export function judge(found: Found): Finding[] {
  const { tiers, redis, machine } = found;
  const findings: Finding[] = found.keyFileTroubles.map((text) => problem(text));
  if (redis.problem !== undefined) findings.push(problem(redis.problem));
  for (const look of tiers) findings.push(...judgeTier(look));
  if (found.tasksWithoutModel.length > 0) findings.push(judgeTasks(found));
  if (hasLittleDisk(machine)) {
    findings.push(
      problem(
        `only ${sizeText(machine.freeDiskBytes)} of disk are free for ${machine.dataDirectory}`,
        "make room, or choose another --data-dir",
      ),
    );
  }
  for (const [tier, call] of found.timedCalls) findings.push(...judgeCall(tier, call));
  findings.push(...missingModels(found));
  if (redis.facts?.persistence === "none") {
    const mend = "redis-cli CONFIG SET appendonly yes";
    findings.push(note("Redis keeps nothing on disk: jobs of the library are lost when it restarts", mend));
  }
  if ((redis.latencyMs ?? 0) > slowRedisMs) {
    findings.push(note(`Redis takes ${redis.latencyMs} ms for a round trip`, "use one that is nearer"));
  }
  if (found.hasLocalServer) {
    findings.push(
      note(
        "a gateway on this machine that forwards to a cloud cannot be told from a local server: call no such tier local",
      ),
    );
  }
  return findings.toSorted((left, right) => Number(left.level === "note") - Number(right.level === "note"));
}

function problem(text: string, mend?: string): Finding {
  return { level: "problem", text, ...(mend === undefined ? {} : { mend }) };
}

function note(text: string, mend?: string): Finding {
  return { level: "note", text, ...(mend === undefined ? {} : { mend }) };
}

function judgeTier({ tier, state, endpoints, reason, mend }: TierLook): Finding[] {
  if (state === "broken") {
    if (endpoints.length <= 1) return [problem(`tier ${tier}: ${reason}`, mend)];
    return endpoints.map((one) => problem(`tier ${tier}: ${one.reason}`, one.mend));
  }
  if (state !== "ready") return [];
  return endpoints
    .filter(({ ready }) => !ready)
    .map((one) => problem(`tier ${tier}, one of its ${endpoints.length} servers: ${one.reason}`, one.mend));
}

function judgeTasks({ tasksWithoutModel, taskCount }: Found): Finding {
  const count = tasksWithoutModel.length;
  if (count === taskCount) {
    return problem("no task has a model that can be used now", `start a model server, or put a key into ${keyHome}`);
  }
  return problem(
    `${count} of ${taskCount} tasks have no model that can be used now: ${tasksWithoutModel.join(", ")}`,
    "set up one of their tiers (promptfleet models --why TASK), or let promptfleet init route them to what there is",
  );
}

function judgeCall(tier: string, call: TimedCall): Finding[] {
  if (!call.answered) return [problem(`tier ${tier}, ${call.model}: ${call.reason}`, call.mend)];
  if (call.advice === undefined) return [];
  return [note(`tier ${tier}: ${call.model} takes ${Math.round(call.latencyMs / 1_000)} s for one token`, call.advice)];
}

/** Models that a server which is there does not have. */
function missingModels({ models, tiers, tierOf }: Found): Finding[] {
  return tiers
    .filter(({ state }) => state === "ready")
    .flatMap(({ tier }) =>
      models
        .filter(({ alias, usable }) => tierOf(alias) === tier && !usable)
        .map(({ alias, reason, mend }) => note(`model ${alias} on tier ${tier}: ${reason}`, mend)),
    );
}
