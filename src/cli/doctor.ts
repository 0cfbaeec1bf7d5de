import type { Config } from "../config/config.ts";
import { dataFolder } from "../config/environment.ts";
import { findKeys, shownKey } from "../config/keys.ts";
import { loadConfig } from "../config/load.ts";
import { examine, tasksWithoutModel, timeCalls } from "../examine.ts";
import { type Finding, judge } from "../inspect/judge.ts";
import type { TierLook } from "../inspect/look-at-tier.ts";
import { lookAtMachine, type MachineLook, sizeText } from "../inspect/machine.ts";
import type { TimedCall } from "../inspect/timed-call.ts";
import { lookAtRedis, type RedisLook } from "../look-at-redis.ts";
import { hang, table, widthOf } from "./layout.ts";

export interface DoctorFlags {
  readonly config?: string;
  readonly fleet?: string;
  readonly redis?: string;
  readonly dataDir?: string;
  readonly probe: boolean;
  readonly json: boolean;
}

interface Report {
  readonly config: Config;
  readonly tiers: readonly TierReport[];
  readonly redis: RedisLook;
  readonly machine: MachineLook;
  readonly findings: readonly Finding[];
}

interface TierReport extends TierLook {
  readonly provider: string;
  readonly location: string;
  /** Never the key itself. */
  readonly key?: { readonly name: string; readonly shown: string; readonly place: string };
  readonly timedCall?: TimedCall;
}

/** `promptfleet doctor`: what is there, what is wrong, and what mends it. Returns 2 when there is a problem. */
export async function doctor(flags: DoctorFlags): Promise<number> {
  const keyFileTroubles: string[] = [];
  const config = await loadConfig({
    configPath: flags.config,
    fleet: flags.fleet,
    onKeyFileTrouble: ({ message }) => keyFileTroubles.push(message),
  });
  const dataDirectory = dataFolder(flags.dataDir);
  const [examination, redis, machine] = await Promise.all([
    examine(config),
    lookAtRedis({ url: flags.redis, dataDirectory }, config.fleet, Object.keys(config.tiers)),
    lookAtMachine(dataDirectory),
  ]);
  const timedCalls = flags.probe ? await timeCalls(config, examination) : new Map<string, TimedCall>();
  const looks = [...examination.tiers.values()];
  const findings = judge({
    tiers: looks,
    models: [...examination.models.values()],
    tierOf: (alias) => config.models[alias]?.tier,
    taskCount: Object.keys(config.tasks).length,
    tasksWithoutModel: tasksWithoutModel(config, examination).map(({ name }) => name),
    redis,
    machine,
    keyFileTroubles,
    timedCalls,
    hasLocalServer: looks.some(
      ({ tier, endpoints }) =>
        config.tiers[tier]?.location === "local" && endpoints.some((one) => one.ready && one.baseUrl !== ""),
    ),
  });
  const tiers = await reportTiers(config, looks, timedCalls);
  const report = { config, tiers, redis, machine, findings };
  process.stdout.write(flags.json ? `${JSON.stringify(jsonOf(report))}\n` : `${linesOf(report).join("\n")}\n`);
  return findings.some(({ level }) => level === "problem") ? 2 : 0;
}

async function reportTiers(
  config: Config,
  looks: readonly TierLook[],
  timedCalls: ReadonlyMap<string, TimedCall>,
): Promise<TierReport[]> {
  const names = Object.values(config.tiers).flatMap(({ apiKeyEnv }) => apiKeyEnv ?? []);
  const keys = await findKeys(new Set(names)).catch(() => new Map());
  return looks.map((look) => {
    const { provider, location, apiKeyEnv } = config.tiers[look.tier]!;
    const key = apiKeyEnv === undefined ? undefined : keys.get(apiKeyEnv);
    const timedCall = timedCalls.get(look.tier);
    return {
      ...look,
      provider,
      location,
      ...(key === undefined ? {} : { key: { name: apiKeyEnv!, shown: shownKey(key.value), place: key.place } }),
      ...(timedCall === undefined ? {} : { timedCall }),
    };
  });
}

function linesOf({ config, tiers, redis, machine, findings }: Report): string[] {
  const width = widthOf(process.stdout);
  const problems = findings.filter(({ level }) => level === "problem");
  const notes = findings.filter(({ level }) => level === "note");
  return [
    ...table(
      [
        ["config", config.source],
        ["fleet", config.fleet],
        ["machine", machineText(machine)],
        ["redis", redisText(redis)],
      ],
      width,
    ),
    "",
    "tiers",
    ...table(
      tiers.map((tier) => [stateWords[tier.state], tier.tier, tierText(tier, redis)]),
      width,
    ),
    ...section("problems", problems, width),
    ...section("notes", notes, width),
    "",
    problems.length === 0
      ? "no problems found"
      : `${problems.length} ${problems.length === 1 ? "problem" : "problems"} found`,
  ];
}

const stateWords = { ready: "ready", "not-set-up": "not set up", broken: "BROKEN" } as const;

function section(title: string, findings: readonly Finding[], width: number): string[] {
  if (findings.length === 0) return [];
  return [
    "",
    title,
    ...findings.flatMap(({ text, mend }) => [
      ...hang("  - ", text, width),
      ...(mend === undefined ? [] : hang("    mend: ", mend, width)),
    ]),
  ];
}

function machineText(machine: MachineLook): string {
  const { cores, memoryBytes, freeMemoryBytes, node, freeDiskBytes, dataDirectory } = machine;
  return `${cores} cores · ${sizeText(memoryBytes)} memory, ${sizeText(freeMemoryBytes)} free · Node ${node} · ${sizeText(freeDiskBytes)} of disk free for ${dataDirectory}`;
}

function redisText({ where, kind, facts, latencyMs, problem }: RedisLook): string {
  if (problem !== undefined) return "cannot be used (see below)";
  if (facts === undefined) return `embedded, starts with a run: ${where}`;
  const { name, version, persistence, evictionPolicy, usedMemoryBytes } = facts;
  return `${kind === "embedded" ? "embedded, running" : where} · ${name} ${version} · ${persistence} · ${evictionPolicy} · ${sizeText(usedMemoryBytes)} · ${latencyMs} ms`;
}

function tierText(tier: TierReport, redis: RedisLook): string {
  const { endpoints, models, key, state, reason, mend, timedCall } = tier;
  if (state === "not-set-up") return mend === undefined ? `${reason}` : `${reason}; ${mend}`;
  const servers = endpoints.map(({ baseUrl, program, ready }) =>
    [baseUrl || `inside this process`, program && `(${program})`, !ready && "down"].filter(Boolean).join(" "),
  );
  const queue = redis.queues[tier.tier];
  const queued = queue === undefined ? 0 : queue.waiting + queue.delayed;
  return [
    ...servers,
    key && `key ${key.shown} from ${key.place}`,
    state === "ready" && modelsText(models),
    queued + (queue?.active ?? 0) > 0 && `${queued} queued, ${queue?.active} running`,
    timedCall?.answered && timedText(timedCall),
  ]
    .filter(Boolean)
    .join(" · ");
}

function modelsText(models: readonly string[]): string {
  if (models.length === 0) return "no models";
  const shown = models.slice(0, 4).join(", ");
  return models.length > 4 ? `${shown} and ${models.length - 4} more models` : shown;
}

function timedText({ model, latencyMs, firstMs }: Extract<TimedCall, { answered: true }>): string {
  return `one token of ${model} in ${latencyMs} ms${firstMs === undefined ? "" : ` (first call ${firstMs} ms)`}`;
}

function jsonOf({ config, tiers, redis, machine, findings }: Report) {
  const problems = findings.filter(({ level }) => level === "problem");
  return {
    ok: problems.length === 0,
    config: config.source,
    fleet: config.fleet,
    machine,
    redis,
    tiers,
    problems: problems.map(({ level: _level, ...one }) => one),
    notes: findings.filter(({ level }) => level === "note").map(({ level: _level, ...one }) => one),
  };
}
