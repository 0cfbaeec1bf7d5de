import { createReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { parse } from "csv-parse";
import { messageOf, UserError } from "../job/errors.ts";
import { type ErrorCode, failedWithoutCall, type ResultLine } from "../job/result.ts";

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads a finished output, whichever of our formats it has, in its order. Of OpenAI lines and CSV only what they hold
 * comes back: an OpenAI line has no task, tier, cost or metadata; its body stays as `openai_body`.
 * @throws UserError when it cannot be read or a line is no result.
 */
export async function* readFlatResults(path: string): AsyncGenerator<ResultLine> {
  const file = createReadStream(path, { highWaterMark: 256 * 1024 });
  const bytes = path.endsWith(".gz") ? pipeline(file, createGunzip(), () => {}) : file;
  let index = 0;
  try {
    for await (const fields of /\.csv(\.gz)?$/.test(path) ? csvRecords(bytes) : jsonObjects(bytes)) {
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

/** Not node:readline, which also ends lines at U+2028. */
async function* jsonObjects(bytes: AsyncIterable<Buffer>): AsyncGenerator<Fields | undefined> {
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

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function resultOf(fields: Fields, index: number): ResultLine | undefined {
  if (typeof fields.custom_id === "string") return ofOpenai(fields, fields.custom_id, index);
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
    ...(metadata === undefined ? {} : { metadata }),
  };
}

function ofOpenai({ response, error }: Fields, id: string, index: number): ResultLine | undefined {
  const body = isObject(response) && response.status_code === 200 ? response.body : undefined;
  if (!isObject(body)) {
    const { code, message } = isObject(error) ? error : {};
    return failedWithoutCall(index, id, null, {
      code: (typeof code === "string" ? code : "rejected") as ErrorCode,
      message: typeof message === "string" ? message : "the answer is no success",
    });
  }
  const said = saidIn(body);
  if (said === undefined) return undefined;
  const usage = isObject(body.usage) ? body.usage : {};
  const details = usage.input_tokens_details ?? usage.prompt_tokens_details;
  return {
    id,
    index,
    task: null,
    status: "answered",
    text: said.text,
    model: typeof body.model === "string" ? body.model : null,
    tier: null,
    finish_reason: said.finishReason,
    usage: {
      input_tokens: countIn(usage, "input_tokens" in usage ? "input_tokens" : "prompt_tokens"),
      output_tokens: countIn(usage, "output_tokens" in usage ? "output_tokens" : "completion_tokens"),
      cached_tokens: countIn(details, "cached_tokens"),
    },
    cost_usd: 0,
    latency_ms: 0,
    attempts: 1,
    error: null,
    openai_body: body,
  };
}

/** What the body of a chat, completion, response or embedding says; undefined when it is none of them. */
function saidIn(body: Fields): { readonly text: string | null; readonly finishReason: string | null } | undefined {
  if (Array.isArray(body.data)) return { text: null, finishReason: "stop" };
  if (Array.isArray(body.output)) {
    const parts = body.output.flatMap((item: unknown) =>
      isObject(item) && Array.isArray(item.content) ? (item.content as unknown[]) : [],
    );
    const texts = parts.map((part) => (isObject(part) && part.type === "output_text" ? String(part.text) : ""));
    return { text: texts.join(""), finishReason: null };
  }
  const choice: unknown = Array.isArray(body.choices) ? body.choices[0] : undefined;
  if (!isObject(choice)) return undefined;
  const text = isObject(choice.message) ? choice.message.content : choice.text;
  const reason = choice.finish_reason;
  return { text: typeof text === "string" ? text : "", finishReason: typeof reason === "string" ? reason : null };
}

function countIn(fields: unknown, name: string): number {
  const value = isObject(fields) ? fields[name] : undefined;
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}
