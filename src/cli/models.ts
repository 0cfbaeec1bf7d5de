import type { Config, ModelConfig } from "../config/config.ts";
import { dataFolder } from "../config/environment.ts";
import { loadConfig } from "../config/load.ts";
import { type Examination, examine, type RouteStep, routeOf } from "../examine.ts";
import { createLatencies } from "../job/latency.ts";
import { readLatencies } from "../look-at-redis.ts";
import { priceText } from "../routing/rank-models.ts";
import { hang, table, widthOf } from "./layout.ts";

export interface ModelsFlags {
  readonly config?: string;
  readonly fleet?: string;
  readonly redis?: string;
  readonly dataDir?: string;
  readonly why?: string;
  readonly json: boolean;
}

/** `promptfleet models`: the registry and what of it can be used now; with `--why`, a task's route explained. */
export async function models(flags: ModelsFlags): Promise<number> {
  const config = await loadConfig({ configPath: flags.config, fleet: flags.fleet });
  if (flags.why === undefined) {
    const examination = await examine(config);
    const rows = Object.values(config.models).map((model) => describe(model, config, examination));
    print(flags.json, { models: rows }, () => tableOf(rows, widthOf(process.stdout)));
    return 0;
  }
  // A task that does not exist is told before any server is asked.
  routeOf(flags.why, config, { models: new Map() }, () => undefined);
  const task = config.tasks[flags.why]!;
  const where = { url: flags.redis, dataDirectory: dataFolder(flags.dataDir) };
  const [examination, latencies] = await Promise.all([
    examine(config),
    task.prefer === "fastest" ? readLatencies(where, config.fleet) : createLatencies(),
  ]);
  const route = routeOf(flags.why, config, examination, latencies.meanMsOf);
  print(flags.json, { task: task.name, why: task.why ?? null, private: task.private, prefer: task.prefer, route }, () =>
    whyLines(config, task.name, route),
  );
  return 0;
}

interface ModelRow {
  readonly alias: string;
  readonly tier: string;
  readonly model: string;
  readonly location: string;
  readonly price: string;
  readonly usable: boolean;
  readonly reason?: string;
  readonly mend?: string;
}

function describe(model: ModelConfig, config: Config, { models }: Examination): ModelRow {
  const { alias, tier } = model;
  const { usable = false, reason, mend, meant } = models.get(alias) ?? {};
  const location = config.tiers[tier]?.location ?? "";
  const price = model.price ?? (location === "local" ? { inputPerMTok: 0, outputPerMTok: 0 } : undefined);
  return {
    alias,
    tier,
    model: meant === undefined ? model.model : `auto = ${meant}`,
    location,
    price: price === undefined ? "unknown" : shortPrice(price),
    usable,
    ...(reason === undefined ? {} : { reason }),
    ...(mend === undefined ? {} : { mend }),
  };
}

/** For a column: dollars per million tokens, in and out. */
function shortPrice({ inputPerMTok, outputPerMTok }: NonNullable<ModelConfig["price"]>): string {
  return inputPerMTok + outputPerMTok === 0 ? "free" : `$${inputPerMTok}/$${outputPerMTok}`;
}

/** Narrower than this, all but the alias stands on lines below it. */
const wideTable = 96;

function tableOf(rows: readonly ModelRow[], width: number): string[] {
  const cells = rows.map((row) => [row.tier, row.model, row.location, row.price, shortNow(row)]);
  if (width >= wideTable) return table([header, ...rows.map(({ alias }, at) => [alias, ...cells[at]!])], width);
  return table(
    rows.map(({ alias }, at) => [alias, cells[at]!.join(" · ")]),
    width,
  );
}

const header = ["alias", "tier", "model", "where", "$/Mtok", "now"];

/** What mends it is told by `doctor` and by `--why`: many models share it. */
function shortNow({ usable, reason }: ModelRow): string {
  return usable ? "usable" : (reason ?? "not usable");
}

function nowText({ usable, reason, mend }: Pick<ModelRow, "usable" | "reason" | "mend">): string {
  if (usable) return "usable";
  return `not usable: ${reason ?? "for no known reason"}${mend === undefined ? "" : `; ${mend}`}`;
}

function whyLines(config: Config, name: string, route: readonly RouteStep[]): string[] {
  const width = widthOf(process.stdout);
  const task = config.tasks[name]!;
  const order = { listed: "as listed", cheapest: "the cheapest first", fastest: "the fastest first" }[task.prefer];
  const first = route.find(({ usable }) => usable);
  return [
    ...hang(
      `${name}: `,
      [task.why, task.private && "private: local tiers only", order].filter(Boolean).join(" · "),
      width,
    ),
    ...route.flatMap((step, at) => {
      const model = config.models[step.alias];
      const price = task.prefer === "cheapest" || model?.price === undefined ? "" : ` · ${priceText(model.price)}`;
      return [
        ...hang(`  ${at + 1}. `, `${step.alias} (${model?.model} on ${model?.tier}) · ${step.why}${price}`, width),
        ...hang("     ", nowText(step), width),
      ];
    }),
    first === undefined ? "no model of this task can be used now" : `rows go to ${first.alias} now`,
  ];
}

function print(json: boolean, value: unknown, lines: () => readonly string[]): void {
  process.stdout.write(json ? `${JSON.stringify(value)}\n` : `${lines().join("\n")}\n`);
}
