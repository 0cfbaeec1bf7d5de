import { createReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { parse } from "csv-parse";
import { messageOf, UserError } from "../job/errors.ts";
import type { ConsensusReport, ResultLine } from "../job/result.ts";
import { countIn, type Fields, isObject, ofAnthropic, ofOpenai } from "./read-provider-lines.ts";

/**
 * Reads a finished output, whichever of our formats it has, in its order. Of lines in a provider's form and of
 * CSV only what they hold comes back: an OpenAI line has no task, tier, cost or metadata; its body stays as
 * `openai_body`.
 * @throws UserError when it cannot be read or a line is no result.
 */
export async function* readFlatResults(path: string): AsyncGenerator<ResultLine> {
  const file = createReadStream(path, { highWaterMark: 256 * 1024 });
  const bytes = path.endsWith(".gz") ? pipeline(file, createGunzip(), () => {}) : file;
  let index = 0;
  try {
    for await (const fields of /\.csv(\.gz)?$/.test(path) ? csvRecords(bytes) : readJsonObjects(bytes)) {
      const result = fields === undefined ? undefined : resultOf(fields, index);
      if (result === undefined) {
        throw new UserError(
          `${path}: expected results of promptfleet, found something else as row ${index + 1}; choose another output, or give --fresh to replace it`,
        );
      }
      yield result;
      index++;
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      `cannot read ${path}: ${messageOf(error)}; choose another output, or give --fresh to replace it`,
    );
  } finally {
    file.destroy();
  }
}

/**
 * One a line; undefined for a line that holds none. Not by node:readline, which also ends lines at U+2028, as answers may
 * have it.
 */
export async function* readJsonObjects(bytes: AsyncIterable<Buffer>): AsyncGenerator<Fields | undefined> {
  let parts: Buffer[] = [];
  for await (const chunk of bytes) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      const line = Buffer.concat([...parts, chunk.subarray(start, end)]);
      parts = [];
      start = end + 1;
      if (line.length > 0) yield objectOf(line.toString("utf8"));
    }
    if (start < chunk.length) parts.push(chunk.subarray(start));
  }
  if (parts.length > 0) yield objectOf(Buffer.concat(parts).toString("utf8"));
}

async function* csvRecords(bytes: NodeJS.ReadableStream): AsyncGenerator<Fields | undefined> {
  const parser = parse({ columns: true, bom: true });
  pipeline(bytes, parser, () => {});
  for await (const record of parser as AsyncIterable<Record<string, string>>) {
    const number = (name: string) => Number(record[name]);
    yield {
      ...Object.fromEntries(Object.entries(record).map(([name, value]) => [name, value === "" ? null : value])),
      text: record.status === "answered" ? record.text : null,
      usage: {
        input_tokens: number("input_tokens"),
        output_tokens: number("output_tokens"),
        cached_tokens: number("cached_tokens"),
      },
      cost_usd: number("cost_usd"),
      latency_ms: number("latency_ms"),
      attempts: number("attempts"),
      error: record.error_code ? { code: record.error_code, message: record.error_message } : null,
      metadata: record.metadata ? objectOf(record.metadata) : undefined,
    };
  }
}

function objectOf(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function resultOf(fields: Fields, index: number): ResultLine | undefined {
  if (typeof fields.custom_id === "string") {
    const { result, custom_id: id } = fields;
    return isObject(result) ? ofAnthropic(result, id as string, index) : ofOpenai(fields, id as string, index);
  }
  const { id, status } = fields;
  if (typeof id !== "string" || (status !== "answered" && status !== "failed")) return undefined;
  const metadata = isObject(fields.metadata) ? fields.metadata : undefined;
  return {
    id,
    index,
    task: (fields.task as string | null) ?? null,
    status,
    text: (fields.text as string | null) ?? null,
    ...(fields.json === undefined ? {} : { json: fields.json }),
    model: (fields.model as string | null) ?? null,
    tier: (fields.tier as string | null) ?? null,
    finish_reason: (fields.finish_reason as string | null) ?? null,
    usage: {
      input_tokens: countIn(fields.usage, "input_tokens"),
      output_tokens: countIn(fields.usage, "output_tokens"),
      cached_tokens: countIn(fields.usage, "cached_tokens"),
    },
    cost_usd: countIn(fields, "cost_usd"),
    latency_ms: countIn(fields, "latency_ms"),
    attempts: countIn(fields, "attempts"),
    error: isObject(fields.error) ? (fields.error as unknown as ResultLine["error"]) : null,
    ...(isObject(fields.consensus) ? { consensus: fields.consensus as unknown as ConsensusReport } : {}),
    ...(metadata === undefined ? {} : { metadata }),
  };
}
