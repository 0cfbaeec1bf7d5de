import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { Readable } from "node:stream";
import type { ResultLine } from "../job/result.ts";
import type { OwnedBatch } from "../own-batch.ts";
import { openOutput } from "../results/output-target.ts";
import { readJsonObjects } from "../results/read-results.ts";
import { findSegments, readSegment } from "../results/segments.ts";
import { checkSegments, writeInInputOrder } from "../results/write-output.ts";
import type { BatchCounts, BatchRecord, BatchUsage } from "./batch-record.ts";
import type { BatchPlace } from "./batch-store.ts";
import type { Files } from "./files.ts";
import { openaiBatchLine } from "./openai-batch-line.ts";

/** What became of a whole batch. */
export interface BatchTotals {
  readonly counts: BatchCounts;
  readonly usage: BatchUsage;
  readonly costUsd: number;
  readonly notAsked: { readonly cancelled: number; readonly expired: number };
}

/** All results in input order; there whole or not at all. */
export async function writeResults({ table, segmentPaths }: OwnedBatch, { resultsPath }: BatchPlace): Promise<void> {
  checkSegments(segmentPaths);
  const writer = await openOutput(resultsPath);
  try {
    await writeInInputOrder(table, table.length, segmentPaths, undefined, writer);
    await writer.commit();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

export async function countResults({ resultsPath }: BatchPlace): Promise<BatchTotals> {
  let [completed, failed, costUsd] = [0, 0, 0];
  const notAsked = { cancelled: 0, expired: 0 };
  const usage = { inputTokens: 0, outputTokens: 0, cachedTokens: 0 };
  for await (const result of readWhole(resultsPath)) {
    if (result.status === "answered") completed++;
    else failed++;
    if (result.error?.code === "deadline_passed") notAsked.expired++;
    if (result.error?.code === "cancelled") notAsked.cancelled++;
    usage.inputTokens += result.usage.input_tokens;
    usage.outputTokens += result.usage.output_tokens;
    usage.cachedTokens += result.usage.cached_tokens;
    costUsd += result.cost_usd;
  }
  return { counts: { total: completed + failed, completed, failed }, usage, costUsd, notAsked };
}

/** The two files of OpenAI's API, each row in one of them; a file without rows is left out. */
export async function publishFiles(
  { id, owner }: BatchRecord,
  { resultsPath }: BatchPlace,
  { counts }: BatchTotals,
  files: Files,
): Promise<{ readonly outputFileId: string | undefined; readonly errorFileId: string | undefined }> {
  async function publish(kind: "output" | "error", status: ResultLine["status"]): Promise<string> {
    // The same id each time, so that a server that takes the batch over in the middle leaves no second file.
    const fileId = `file-${createHash("sha256").update(`${id} ${kind}`).digest("hex").slice(0, 32)}`;
    const content = Readable.from(linesOf(readWhole(resultsPath), status), { objectMode: false });
    await files.put(fileId, content, { filename: `${id}_${kind}.jsonl`, purpose: "batch_output", owner });
    return fileId;
  }
  return {
    outputFileId: counts.completed > 0 ? await publish("output", "answered") : undefined,
    errorFileId: counts.failed > 0 ? await publish("error", "failed") : undefined,
  };
}

const textPerChunk = 64 * 1024;

async function* linesOf(results: AsyncIterable<ResultLine>, status: ResultLine["status"]): AsyncGenerator<string> {
  let text = "";
  for await (const result of results) {
    if (result.status !== status) continue;
    text += `${openaiBatchLine(result)}\n`;
    if (text.length < textPerChunk) continue;
    yield text;
    text = "";
  }
  if (text !== "") yield text;
}

/** Results of a batch, each row once: in input order once it is whole, as they came until then. */
export async function* readResults({ resultsPath, workPath }: BatchPlace): AsyncGenerator<ResultLine> {
  if (existsSync(resultsPath)) {
    yield* readWhole(resultsPath);
    return;
  }
  const seen = new Set<number>();
  for (const { path } of findSegments(workPath)) {
    for await (const { row, line, isVote } of readSegment(path)) {
      if (isVote === true || seen.has(row)) continue;
      seen.add(row);
      yield JSON.parse(line) as ResultLine;
    }
  }
}

async function* readWhole(path: string): AsyncGenerator<ResultLine> {
  for await (const result of readJsonObjects(createReadStream(path))) {
    if (result === undefined) throw new Error(`${path} has a line that is no result`);
    yield result as unknown as ResultLine;
  }
}
