import { setTimeout as sleep } from "node:timers/promises";
import { type ZodType, z } from "zod";
import type { Adapter } from "../workers/adapter.ts";
import { adapters as builtIn } from "../workers/index.ts";
import { dataFolder, redisUrl } from "./config/environment.ts";
import { loadConfig } from "./config/load.ts";
import type { ConfigFile } from "./config/schema.ts";
import type { Fleet as JoinedFleet } from "./fleet.ts";
import { runInbox } from "./foreign-jobs.ts";
import { createRowParser } from "./intake/parse-row.ts";
import { UserError } from "./job/errors.ts";
import type { ResultLine } from "./job/result.ts";
import type { JsonSchema, PromptRow } from "./job/row.ts";
import { openLiveBatch } from "./live-batch.ts";
import { openFleet } from "./open-fleet.ts";
import type { PlannedRow } from "./plan-row.ts";
import { streamResults } from "./results/stream-results.ts";
import { tierUsability } from "./routing/usable-tier.ts";

export type { Adapter, BackendCall, Endpoint, EndpointOptions, Probe } from "../workers/adapter.ts";
export type { ConfigFile } from "./config/schema.ts";
export { UserError } from "./job/errors.ts";
export type { Outcome } from "./job/outcome.ts";
export type { ErrorCode, ResultLine } from "./job/result.ts";

/** A flat row, as a line of an input file holds it; `prompt` or `messages` is required. */
export interface Row<Json = unknown> {
  readonly id?: string;
  readonly task?: string;
  readonly prompt?: string;
  readonly messages?: readonly { readonly role: string; readonly content: unknown }[];
  readonly system?: string;
  readonly model?: string;
  readonly max_tokens?: number;
  readonly temperature?: number;
  readonly top_p?: number;
  readonly stop?: string | readonly string[];
  readonly seed?: number;
  readonly private?: boolean;
  /** What the answer must fit, as JSON; a zod schema also types `json` of the result. */
  readonly schema?: ZodType<Json> | JsonSchema;
  /** The answer is one of these. */
  readonly choices?: readonly string[];
  /** Paths (read by this process, relative to its current folder), http(s) URLs, data: URIs. */
  readonly images?: string | readonly string[];
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export interface FleetOptions {
  /** Path of a models.json, or its content. Default: as the CLI finds it. */
  readonly config?: string | ConfigFile;
  /** URL of a shared Redis. Default: `REDIS_URL`, else the embedded one of the data directory. */
  readonly redis?: string;
  /** Default: the config's, `promptfleet`. */
  readonly fleet?: string;
  /** Tiers that this process works. Default: each when its first row comes, and the inbox; `[]`: none. */
  readonly tiers?: readonly string[];
  /** Adapters beside the built-in ones, by provider. */
  readonly adapters?: Partial<Record<string, Adapter>>;
  /**
   * Where the embedded Redis and the audit live. Default: one per user; with a shared Redis none, and then no audit is
   * kept here.
   */
  readonly dataDirectory?: string;
}

/** A result; `json` is the answer's JSON, when a schema was given. */
export type Result<Json = unknown> = Omit<ResultLine, "json"> & { readonly json?: Json };

export interface Fleet {
  /** Queues one row. `result` resolves with its one result, answered or failed; it rejects only when the fleet closes. */
  enqueue<Json = unknown>(row: Row<Json>): { readonly id: string; readonly result: Promise<Result<Json>> };
  /**
   * Asks all rows and yields their results as they come, each exactly once; takes rows in only as fast as they are
   * answered. With a schema, an answer that does not fit is asked for once more, then is a failed result
   * (`invalid_answer`).
   */
  run<Json = unknown>(
    rows: Iterable<Row> | AsyncIterable<Row>,
    options?: { readonly schema?: ZodType<Json> },
  ): AsyncGenerator<Result<Json>>;
  /** Hands back what is in flight and leaves, in 10 s at most; results that have not come reject. Twice is once. */
  close(): Promise<void>;
}

/** Rows of one `run` that are unfinished at once. */
const mostUnfinished = 2_000;
/** With a Redis that is away nothing can be handed back; others take it up once this process is silent. */
const longestHandBackMs = 10_000;

/**
 * A fleet inside this process: joins (or starts) Redis, works tiers, takes rows. Installs no signal handlers and prints
 * nothing.
 * @throws UserError for a wrong config, a tier that cannot be worked here, or a Redis that cannot carry a fleet.
 */
export async function createFleet(options: FleetOptions = {}): Promise<Fleet> {
  const config = await loadConfig({
    ...(typeof options.config === "string" ? { configPath: options.config } : { config: options.config }),
    fleet: options.fleet,
  });
  const hasAdapter = (provider: string) =>
    Object.hasOwn(builtIn, provider) || options.adapters?.[provider] !== undefined;
  const usableHere = tierUsability(config, hasAdapter);
  for (const tier of options.tiers ?? []) {
    const usability = usableHere(tier);
    if (!usability.usable) throw new UserError(`cannot work tier ${tier}: ${usability.reason}`);
  }
  const opened = await openFleet({
    config,
    redis: options.redis,
    dataDirectory: dataFolder(options.dataDirectory),
    keepsRecords: options.dataDirectory !== undefined || redisUrl(options.redis) === undefined,
    adapters: options.adapters,
    usable: options.tiers === undefined ? usableHere : () => ({ usable: true }),
  });
  const { fleet: joined, plan, leaveRedis } = opened;
  try {
    return await takeRows(joined, plan, options.tiers, leaveRedis);
  } catch (error) {
    await joined.leave(false);
    await joined.close();
    await leaveRedis();
    throw error;
  }
}

/** @param tiers as in FleetOptions. */
async function takeRows(
  joined: JoinedFleet,
  plan: (row: PromptRow) => PlannedRow,
  tiers: readonly string[] | undefined,
  leaveRedis: () => Promise<void>,
): Promise<Fleet> {
  for (const tier of tiers ?? []) await joined.startPool(tier);
  const batch = await openLiveBatch(joined, async (tier) => {
    if (tiers === undefined) await joined.startPool(tier);
  });
  const inbox = tiers?.length === 0 ? undefined : runInbox(joined, batch, plan);
  let closed: Promise<void> | undefined;
  const parse = createRowParser({ strict: false, kind: "rows", imageFolder: process.cwd() });
  let rowNumber = 0;

  function planRow(row: Row): PlannedRow {
    const parsed = parse(Buffer.from(JSON.stringify(row)), ++rowNumber);
    if (parsed.ok) return plan(parsed.row);
    const { id, message, metadata } = parsed;
    return { ok: false, id, code: "invalid_row", message, ...(metadata === undefined ? {} : { metadata }) };
  }

  function enqueue<Json>(row: Row<Json>): { readonly id: string; readonly result: Promise<Result<Json>> } {
    const { schema } = row;
    const planned = planRow(isZodType(schema) ? { ...row, schema: jsonSchemaOf(schema) } : row);
    const result = batch.enqueue(planned);
    return {
      id: planned.ok ? planned.row.id : planned.id,
      result: isZodType(schema) ? result.then((line) => typed(line, schema)) : (result as Promise<Result<Json>>),
    };
  }

  return {
    enqueue,
    run: <Json = unknown>(
      rows: Iterable<Row> | AsyncIterable<Row>,
      { schema }: { readonly schema?: ZodType<Json> } = {},
    ) =>
      streamResults(rows, mostUnfinished, async (row) => {
        const asked = schema === undefined ? (row as Row<Json>) : { ...row, schema };
        return enqueue(asked).result;
      }),
    close: () => (closed ??= close()),
  };

  async function handBack(): Promise<void> {
    await inbox?.close();
    await joined.leave(false);
    await batch.close();
  }

  async function close(): Promise<void> {
    const handingBack = handBack();
    handingBack.catch(() => {});
    const timer = new AbortController();
    try {
      await Promise.race([handingBack, sleep(longestHandBackMs, undefined, { signal: timer.signal })]);
    } finally {
      timer.abort();
      batch.abandon();
      await joined.close();
      await leaveRedis();
    }
  }
}

/** Schemas in the form in which rows carry them. */
const jsonSchemas = new WeakMap<ZodType, JsonSchema>();

/** What JSON schema cannot say (refinements, transforms) is left to zod when the answer is there. */
function jsonSchemaOf(schema: ZodType): JsonSchema {
  let known = jsonSchemas.get(schema);
  if (known === undefined) {
    known = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as JsonSchema;
    jsonSchemas.set(schema, known);
  }
  return known;
}

function isZodType(schema: unknown): schema is ZodType {
  return typeof schema === "object" && schema !== null && "_zod" in schema;
}

function typed<Json>(result: ResultLine, schema: ZodType<Json>): Result<Json> {
  if (result.status === "failed") return result as Result<Json>;
  const parsed = schema.safeParse(result.json);
  if (parsed.success) return { ...result, json: parsed.data };
  const { json: _json, ...rest } = result;
  const message = `the answer does not fit the schema: ${parsed.error.issues[0]?.message ?? ""}`;
  return { ...rest, status: "failed", error: { code: "invalid_answer", message } };
}
