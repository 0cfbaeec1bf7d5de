import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { text, wholeFrom } from "../../config/schema-parts.ts";
import { durationMsOf } from "../../job/duration.ts";
import { UserError } from "../../job/errors.ts";
import type { ResultLine } from "../../job/result.ts";
import { formatFlatLine } from "../../results/format-result.ts";
import type { BatchRecord } from "../batch-record.ts";
import { answerOf, answerOutput, consensusOutput } from "./answers.ts";
import { batchFacts, batchOutput, isFinal, knownBatch, uriOf, withheldMark } from "./batch-facts.ts";
import { rowsFields, withRows } from "./rows.ts";
import { defineTool, type ToolCall } from "./tool.ts";

const batchId = text("the id of a batch").max(100, "the id of a batch").describe("As submit_batch returned it.");
const lookEveryMs = 500;

export const submitBatch = defineTool({
  name: "submit_batch",
  title: "Submit a batch",
  description:
    "Queues many rows at once and returns the batch's id at once; the answers come in the background, each row exactly once, also across restarts. Use it for more than a handful of questions; plan tells before what it would cost. Then follow it with batch_status and read batch_results.",
  isReadOnly: false,
  input: z.strictObject({
    ...rowsFields,
    completion_window: text("a duration such as 90m, 24h or 7d")
      .optional()
      .describe("What is not answered by then fails. Default 24h."),
  }),
  output: batchOutput,
  async run(context, { completion_window: completionWindow = "24h", ...given }, call) {
    if (!((durationMsOf(completionWindow) ?? 0) > 0)) {
      throw new UserError("completion_window: expected a duration such as 90m, 24h or 7d, found something else");
    }
    const { batches } = await context.open();
    const record = await withRows(given, context, call, ({ input, metadata, isWithheld }) =>
      batches.create({
        api: "openai",
        input: { lines: linesOf(input) },
        endpoint: "/v1/chat/completions",
        completionWindow,
        metadata: { ...metadata, ...(isWithheld ? { [withheldMark]: "true" } : {}) },
      }),
    );
    const facts = batchFacts(record, batches);
    return { structured: facts, links: [{ uri: uriOf(record), name: record.id }] };
  },
});

async function* linesOf(input: {
  readLines(): AsyncIterable<readonly { readonly bytes: Buffer }[]>;
}): AsyncGenerator<string> {
  for await (const group of input.readLines()) for (const { bytes } of group) yield bytes.toString("utf8");
}

export const batchStatus = defineTool({
  name: "batch_status",
  title: "How far a batch is",
  description:
    "Says how many rows of a batch are answered, what it has cost so far and why it waits, if it does. With wait_s it returns when the batch has ended or that time has passed, and reports progress meanwhile.",
  isReadOnly: true,
  input: z.strictObject({
    id: batchId,
    wait_s: wholeFrom(0, 3_600, "a whole number of seconds from 0 to 3600")
      .optional()
      .describe("Default 0: answers at once."),
  }),
  output: batchOutput,
  async run(context, { id, wait_s = 0 }, call) {
    const { batches } = await context.open();
    const untilMs = performance.now() + wait_s * 1_000;
    let record = knownBatch(batches, id);
    while (!isFinal(record) && performance.now() < untilMs && !call.signal.aborted) {
      reportProgress(record, call);
      await sleep(Math.min(lookEveryMs, Math.max(0, untilMs - performance.now())), undefined, {
        signal: call.signal,
      }).catch(() => {});
      record = knownBatch(batches, id);
    }
    reportProgress(record, call);
    return { structured: batchFacts(record, batches) };
  },
});

function reportProgress({ counts, status }: BatchRecord, call: ToolCall): void {
  const { total, completed, failed } = counts;
  const done = completed + failed;
  const failures = failed === 0 ? "" : `, ${failed} failed`;
  call.report(
    done,
    total === 0 ? undefined : total,
    `${status}: ${done} of ${total === 0 ? "?" : total} rows${failures}`,
  );
}

const mostResults = 200;
/** Of the answers that one call returns, so that no client drowns. */
const mostCharacters = 400_000;

export const batchResults = defineTool({
  name: "batch_results",
  title: "The answers of a batch",
  description:
    "Returns answers of a batch, a page at a time: in the order of the rows once it has ended, in the order in which they came before that. With output_file all of them are written into a new file instead, which is the way for large batches and the only one for private rows of a file.",
  isReadOnly: false,
  input: z.strictObject({
    id: batchId,
    offset: wholeFrom(0, 1e9, "a whole number from 0")
      .optional()
      .describe("next_offset of the page before. Default 0."),
    limit: wholeFrom(1, mostResults, `a whole number from 1 to ${mostResults}`).optional().describe("Default 50."),
    failed_only: z.boolean("true or false").optional().describe("Only rows that failed. Default false."),
    output_file: text("the path of a new file").optional().describe("A new .jsonl file inside the allowed folders."),
  }),
  output: z.object({
    id: z.string(),
    status: z.string(),
    has_ended: z.boolean(),
    results: z.array(
      answerOutput.extend({
        id: z.string(),
        index: z.number(),
        metadata: z.record(z.string(), z.unknown()).optional(),
        consensus: consensusOutput.optional().describe("The votes on a row that several models were asked."),
      }),
    ),
    next_offset: z.number().nullable().describe("Null: there are no more for now."),
    written: z.object({ path: z.string(), rows: z.number() }).optional(),
  }),
  async run(context, { id, offset = 0, limit = 50, failed_only: failedOnly = false, output_file: outputFile }, call) {
    const { batches } = await context.open();
    const record = knownBatch(batches, id);
    const about = { id, status: record.status, has_ended: isFinal(record) };
    const wanted = only(batches.results(id), failedOnly);
    if (outputFile !== undefined) {
      const written = await writeResults(wanted, outputFile, call);
      return { structured: { ...about, results: [], next_offset: null, written } };
    }
    if (record.metadata[withheldMark] === "true") {
      throw new UserError(
        "these rows are private and came from a file, so their answers are not returned: give output_file, and they are written there",
      );
    }
    const page = await pageOf(wanted, offset, limit);
    return { structured: { ...about, ...page } };
  },
});

async function* only(results: AsyncIterable<ResultLine>, failedOnly: boolean): AsyncGenerator<ResultLine> {
  for await (const result of results) if (!failedOnly || result.status === "failed") yield result;
}

async function pageOf(results: AsyncIterable<ResultLine>, offset: number, limit: number) {
  const page = [];
  let at = 0;
  let characters = 0;
  for await (const result of results) {
    if (at++ < offset) continue;
    characters += JSON.stringify(result).length;
    if (page.length === limit || (page.length > 0 && characters > mostCharacters)) {
      return { results: page, next_offset: offset + page.length };
    }
    const { id, index, metadata, consensus } = result;
    const known = {
      ...(metadata === undefined ? {} : { metadata }),
      ...(consensus === undefined ? {} : { consensus }),
    };
    page.push({ id, index, ...answerOf(result), ...known });
  }
  return { results: page, next_offset: null };
}

async function writeResults(results: AsyncIterable<ResultLine>, path: string, call: ToolCall) {
  if (!/\.jsonl$/i.test(path)) throw new UserError("output_file: expected a name that ends in .jsonl, found another");
  const made = await (await call.roots()).create(path);
  let rows = 0;
  try {
    for await (const result of results) {
      await made.file.appendFile(`${formatFlatLine(result)}\n`);
      rows++;
    }
    await made.file.sync();
  } finally {
    await made.file.close();
  }
  return { path: made.path, rows };
}

export const cancelBatch = defineTool({
  name: "cancel_batch",
  title: "Cancel a batch",
  description:
    "Ends a batch: rows without an answer end as cancelled, calls in flight are aborted, answers that are there stay.",
  isReadOnly: false,
  input: z.strictObject({ id: batchId }),
  output: batchOutput,
  async run(context, { id }) {
    const { batches } = await context.open();
    knownBatch(batches, id);
    return { structured: batchFacts(await batches.cancel(id), batches) };
  },
});
