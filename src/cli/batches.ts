import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { UserError } from "../job/errors.ts";
import { widthOf } from "./layout.ts";
import { batchLines, hasEnded, pathOf, readBatch, readBatches } from "./served-batch.ts";
import { openServerClient, type ServerFlags } from "./server-client.ts";

export interface BatchFlags extends ServerFlags {
  readonly json: boolean;
}

/** `promptfleet list`: all batches of the server, newest first. */
export async function list(flags: BatchFlags): Promise<number> {
  const batches = await readBatches(await openServerClient(flags));
  if (flags.json) for (const batch of batches) process.stdout.write(`${JSON.stringify(batch)}\n`);
  else if (batches.length === 0) process.stderr.write("no batches yet\n");
  else process.stdout.write(`${batchLines(batches, widthOf(process.stdout)).join("\n")}\n`);
  return 0;
}

/** `promptfleet results ID`: flat lines; of a batch that goes on those that are there. */
export async function results(
  id: string,
  { output, ...flags }: BatchFlags & { readonly output?: string },
): Promise<number> {
  const client = await openServerClient(flags);
  const batch = await readBatch(client, id);
  const answers = await client.stream(`${pathOf(id)}/results`);
  if (output === undefined || output === "-") await pipeline(answers, process.stdout, { end: false });
  else await writeWhole(answers, output);
  const { total, completed, failed } = batch.request_counts;
  const { status } = batch;
  if (flags.json && output !== undefined && output !== "-")
    process.stdout.write(`${JSON.stringify({ batch: id, status, output, ...batch.request_counts })}\n`);
  if (!hasEnded(batch)) {
    process.stderr.write(
      `batch ${id} is ${status}: these are its results so far (${completed + failed} of ${total || "?"} rows)\n`,
    );
  }
  return 0;
}

/** A file that is there is whole: what breaks off leaves none behind, and an older one as it was. */
async function writeWhole(content: NodeJS.ReadableStream, output: string): Promise<void> {
  const part = `${output}.part`;
  try {
    await pipeline(content, createWriteStream(part));
    await rename(part, output);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

/** `promptfleet cancel ID`: rows without a result end as cancelled; what is answered stays. */
export async function cancel(id: string, flags: BatchFlags): Promise<number> {
  return say(await (await openServerClient(flags)).json("POST", `${pathOf(id)}/cancel`), flags, `batch ${id}`);
}

/** `promptfleet pause|resume TARGET`: a batch by its id, or `tier:NAME` for the tier's queue of the whole fleet. */
export async function changePause(target: string, action: "pause" | "resume", flags: BatchFlags): Promise<number> {
  const client = await openServerClient(flags);
  const [, tier] = /^tier:(.*)$/.exec(target) ?? [];
  if (tier === "")
    throw new UserError("expected the name of a tier after tier:, found nothing, for example tier:openai");
  const path = tier === undefined ? pathOf(target) : `/v1/tiers/${encodeURIComponent(tier)}`;
  const changed = await client.json("POST", `${path}/${action}`);
  return say(changed, flags, tier === undefined ? `batch ${target}` : `tier ${tier}`);
}

function say(object: Record<string, unknown>, { json }: BatchFlags, what: string): number {
  if (json) {
    process.stdout.write(`${JSON.stringify(object)}\n`);
    return 0;
  }
  const isPaused = object.paused ?? (object.promptfleet as { paused?: unknown } | undefined)?.paused;
  const state = [object.status, isPaused === true ? "paused" : undefined].filter((word) => word !== undefined);
  process.stdout.write(`${what} ${state.length === 0 ? "goes on" : `is ${state.join(", ")}`}\n`);
  return 0;
}
