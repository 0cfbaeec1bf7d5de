import type { TierConfig } from "../config/config.ts";
import type { Fleet } from "../fleet.ts";
import { queuePausedReason } from "../pool/own-wait.ts";
import type { ProcessNotice, TierNotice } from "../pool/process-notice.ts";
import type { RowFailure } from "../pool/recent-failures.ts";
import { type FleetFacts, readFleetFacts } from "./fleet-facts.ts";
import { createUseMeter, type LimitName, type QuotaState, quotaScopesOf } from "./quota-use.ts";

/** The whole fleet as it is now: what all its processes and its Redis say. */
export interface FleetSnapshot {
  readonly atMs: number;
  /** Those that the configuration names, and those that any process works. */
  readonly tiers: readonly TierState[];
  readonly processes: number;
  /** `maxBytes` 0: no bound. */
  readonly redis: { readonly usedBytes: number; readonly maxBytes: number };
  /** How the last rows failed that are not private, over all processes, newest first. */
  readonly failures: readonly RowFailure[];
  /** Why Redis holds things up, if it does. */
  readonly trouble: string | undefined;
}

export interface TierState {
  readonly tier: string;
  readonly provider: string | undefined;
  readonly location: TierConfig["location"] | undefined;
  /** How many calls it may have in flight is found out, not set. */
  readonly isSized: boolean;
  /** Processes that work it. */
  readonly processes: number;
  readonly running: number;
  readonly slots: number;
  /** Jobs in its queue that nobody asks for yet; a job of a very fast tier may carry several rows. */
  readonly waiting: number;
  /** Calls that ended so since this look at the fleet began; both only grow. */
  readonly answered: number;
  readonly erred: number;
  readonly endpoints: number;
  readonly endpointsDown: number;
  readonly isPaused: boolean;
  /** Why it waits, in words; several when processes differ. */
  readonly reasons: readonly string[];
  readonly quotas: readonly QuotaUse[];
}

export interface QuotaUse extends Omit<QuotaState, "limits"> {
  readonly limits: readonly { readonly name: LimitName; readonly perMinute: number; readonly used: number }[];
}

export interface FleetLook {
  /** Looks once: one round trip to Redis. Waits while Redis is away. */
  read(): Promise<FleetSnapshot>;
}

const mostFailures = 20;
/** Why rows of a tier wait that nobody works. */
export const unworkedReason = "no process of the fleet works this tier: start one with promptfleet work";

/** A look at the whole fleet from this process; it remembers what it saw, so that counters go on when a process leaves. */
export function createFleetLook(fleet: Fleet): FleetLook {
  const scopes = quotaScopesOf(fleet.config);
  const totals = createTotals();
  const useOf = createUseMeter();
  const failures = createFailureList();

  function tierState(tier: string, notices: readonly TierNotice[], facts: FleetFacts, nowMs: number): TierState {
    const config = fleet.config.tiers[tier];
    const sum = (count: (notice: TierNotice) => number) => notices.reduce((all, notice) => all + count(notice), 0);
    const { jobsWaiting, jobsActive, isPaused } = facts.queues.get(tier)!;
    const running = sum((notice) => notice.running);
    // What was claimed and stands ready, or sleeps until its turn.
    const waiting = jobsWaiting + Math.max(0, jobsActive - running);
    const reasons = new Set([
      ...(isPaused ? [queuePausedReason] : []),
      ...(notices.length === 0 && waiting > 0 ? [unworkedReason] : []),
      ...notices.flatMap(({ reason }) => reason ?? []),
    ]);
    return {
      tier,
      provider: config?.provider,
      location: config?.location,
      isSized: notices.some(({ sizes }) => sizes.length > 0),
      processes: notices.length,
      running,
      slots: sum((notice) => notice.slots),
      waiting,
      ...totals.of(tier),
      endpoints: Math.max(0, ...notices.map((notice) => notice.endpoints)),
      endpointsDown: Math.max(0, ...notices.map((notice) => notice.endpointsDown)),
      isPaused,
      reasons: [...reasons],
      quotas: facts.quotas
        .filter((quota) => quota.tier === tier)
        .map(({ limits, ...quota }) => ({
          ...quota,
          limits: limits.map(({ name, perMinute, isInUse }) => ({
            name,
            perMinute,
            used: useOf(`${quota.scope} ${name}`, isInUse, nowMs),
          })),
        })),
    };
  }

  return {
    async read() {
      const processes = fleet.processes();
      const names = new Set(Object.keys(fleet.config.tiers));
      for (const { tiers } of processes.values()) for (const tier of Object.keys(tiers)) names.add(tier);
      const facts = await readFleetFacts(fleet, [...names], scopes);
      const nowMs = Date.now();
      totals.add(processes);
      failures.add(processes);
      return {
        atMs: nowMs,
        tiers: [...names].map((tier) => {
          const notices = [...processes.values()].flatMap(({ tiers }) => tiers[tier] ?? []);
          return tierState(tier, notices, facts, nowMs);
        }),
        processes: processes.size,
        redis: facts.memory,
        failures: failures.newest(),
        trouble: fleet.redisTrouble(),
      };
    },
  };
}

/** Adds up what each process counted since the look before, so that sums never fall. */
function createTotals() {
  const seen = new Map<string, { answered: number; erred: number }>();
  const totals = new Map<string, { answered: number; erred: number }>();
  let isFirst = true;
  return {
    add(processes: ReadonlyMap<string, ProcessNotice>): void {
      for (const [process, { tiers }] of processes) {
        for (const [tier, { answered, erred }] of Object.entries(tiers)) {
          const key = `${process} ${tier}`;
          // What was counted before anybody looked is no news; a process that comes later began at nothing.
          const before = seen.get(key) ?? (isFirst ? { answered, erred } : { answered: 0, erred: 0 });
          const total = totals.get(tier) ?? { answered: 0, erred: 0 };
          totals.set(tier, {
            answered: total.answered + Math.max(0, answered - before.answered),
            erred: total.erred + Math.max(0, erred - before.erred),
          });
          seen.set(key, { answered, erred });
        }
      }
      for (const key of seen.keys()) if (!processes.has(key.split(" ")[0]!)) seen.delete(key);
      isFirst = false;
    },
    of: (tier: string) => totals.get(tier) ?? { answered: 0, erred: 0 },
  };
}

/** Processes say their last failures again and again; each is kept once. */
function createFailureList() {
  const kept = new Map<string, RowFailure>();
  return {
    add(processes: ReadonlyMap<string, ProcessNotice>): void {
      for (const { failures } of processes.values())
        for (const failure of failures) kept.set(`${failure.batch} ${failure.row} ${failure.atMs}`, failure);
      const oldestFirst = [...kept].sort(([, one], [, other]) => one.atMs - other.atMs);
      for (const [key] of oldestFirst.slice(0, -mostFailures)) kept.delete(key);
    },
    newest: () => [...kept.values()].sort((one, other) => other.atMs - one.atMs),
  };
}
