import { count, table } from "./layout.ts";
import type { ServerClient } from "./server-client.ts";

/** A batch as the server shows it, as far as commands read it. */
export interface ServedBatch {
  readonly id: string;
  readonly status: string;
  readonly created_at: number;
  readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number };
  readonly errors: { readonly data: readonly { readonly message: string; readonly line: number | null }[] } | null;
  readonly promptfleet: {
    readonly weight: number;
    readonly paused: boolean;
    /** Why it, or a part of it, does not go on. */
    readonly waits: string | null;
    readonly cost_usd: number;
  };
}

/** A tier as the server shows it. */
export interface ServedTier {
  readonly tier: string;
  readonly running: number;
  readonly slots: number;
  readonly waiting: number;
  readonly paused: boolean;
  readonly reasons: readonly string[];
}

export const hasEnded = ({ status }: ServedBatch): boolean =>
  ["completed", "failed", "expired", "cancelled"].includes(status);

export const pathOf = (batchId: string): string => `/v1/batches/${encodeURIComponent(batchId)}`;

export async function readBatch(client: ServerClient, id: string): Promise<ServedBatch> {
  return (await client.json("GET", pathOf(id))) as unknown as ServedBatch;
}

/** Newest first, all of them. */
export async function readBatches(client: ServerClient): Promise<ServedBatch[]> {
  const all: ServedBatch[] = [];
  for (let after = ""; ; after = `&after=${encodeURIComponent(all.at(-1)!.id)}`) {
    const page = await client.json("GET", `/v1/batches?limit=100${after}`);
    all.push(...(page.data as ServedBatch[]));
    if (page.has_more !== true) return all;
  }
}

export interface ServedTiers {
  /** None while Redis does not answer. */
  readonly tiers: readonly ServedTier[];
  /** Why all of them wait, if they do. */
  readonly waits: string | undefined;
}

export async function readTiers(client: ServerClient): Promise<ServedTiers> {
  const { data, waits } = await client.json("GET", "/v1/tiers");
  return { tiers: data as readonly ServedTier[], waits: typeof waits === "string" ? waits : undefined };
}

/** The exit code of a batch that has ended, as `run` has it. */
export const exitCodeOf = ({ status, request_counts: { failed } }: ServedBatch): number =>
  status === "failed" ? 1 : failed > 0 || status !== "completed" ? 2 : 0;

/** Batches in columns, each with why it, or a part of it, does not go on. */
export function batchLines(batches: readonly ServedBatch[], width: number): string[] {
  return table(
    batches.map((batch) => [batch.id, stateOf(batch), ...rowsOf(batch), whenOf(batch), batch.promptfleet.waits ?? ""]),
    width,
  );
}

/** Tiers in columns, each with why it waits. */
export function tierLines(tiers: readonly ServedTier[], width: number): string[] {
  return table(
    tiers.map(({ tier, running, slots, waiting, reasons }) => [
      tier,
      `${count(running)} of ${count(slots)} running`,
      `${count(waiting)} waiting`,
      reasons.join("; "),
    ]),
    width,
  );
}

const stateOf = ({ status, promptfleet: { paused } }: ServedBatch): string => (paused ? `${status}, paused` : status);

function rowsOf({ request_counts: counts, promptfleet: { cost_usd } }: ServedBatch): string[] {
  const { total, completed, failed } = counts;
  const done = `${count(completed + failed)} of ${total === 0 ? "?" : count(total)} rows`;
  return [failed === 0 ? done : `${done}, ${count(failed)} failed`, `$${cost_usd.toFixed(4)}`];
}

const whenOf = ({ created_at }: ServedBatch): string =>
  new Date(created_at * 1_000).toISOString().slice(0, 16).replace("T", " ");
