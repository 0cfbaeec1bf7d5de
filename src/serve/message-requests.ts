import { isUtf8 } from "node:buffer";
import type { Request } from "express";
import { createIdSet } from "../job/id-set.ts";
import { HttpError } from "./http-error.ts";
import { listElements, MalformedBody } from "./list-elements.ts";

export interface RequestLimits {
  readonly maxBodyBytes: number;
  readonly maxRowsPerBatch: number;
}

const idPattern = /^[a-zA-Z0-9_-]{1,64}$/;

/**
 * The requests of an Anthropic batch as lines, while the body comes. What is wrong with a request's params fails its row
 * later on, as with Anthropic; what is wrong with the list refuses the batch.
 * @throws HttpError (while they are read) that names the request.
 */
export async function* requestLines(request: Request, limits: RequestLimits): AsyncGenerator<string> {
  const ids = createIdSet();
  let count = 0;
  try {
    for await (const element of listElements(bytesOf(request, limits.maxBodyBytes), "requests")) {
      const place = `requests.${count}`;
      const text = element.toString("utf8");
      const id = isUtf8(element) ? checkRequest(parse(text), place) : refuse(`${place}: expected text in UTF-8`);
      if (!ids.add(id))
        refuse(`${place}.custom_id: expected an id that no other request has, found ${quoted(id)} again`);
      if (++count > limits.maxRowsPerBatch) {
        refuse(
          `requests: expected at most ${limits.maxRowsPerBatch}, as serve.limits.maxRowsPerBatch says, found more`,
        );
      }
      // Between the parts of JSON only; within a text they are escaped.
      yield text.replace(/[\r\n]+/g, " ");
    }
  } catch (error) {
    // Whoever still sends is let finish, else he would never read the answer.
    request.resume();
    throw error instanceof MalformedBody ? new HttpError(400, `the body: ${error.message}`) : error;
  }
  if (count === 0) refuse("requests: expected at least one request, found an empty list");
}

async function* bytesOf(request: Request, maxBytes: number): AsyncGenerator<Buffer> {
  let bytes = 0;
  try {
    // The connection is needed for the answer when the body is refused in the middle.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      bytes += (chunk as Buffer).length;
      if (bytes > maxBytes) throw new HttpError(413, `the body has more than ${maxBytes} bytes; make several batches`);
      yield chunk as Buffer;
    }
  } catch (error) {
    if (error instanceof HttpError || error instanceof MalformedBody) throw error;
    throw new HttpError(400, "the body was cut off; send it again");
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Its id. */
function checkRequest(value: unknown, place: string): string {
  if (value === undefined) return refuse(`${place}: expected JSON, found something else`);
  if (!isObject(value)) return refuse(`${place}: expected an object with custom_id and params, found ${kindOf(value)}`);
  const { custom_id: id, params } = value;
  if (typeof id !== "string" || !idPattern.test(id)) {
    const found = typeof id === "string" ? quoted(id) : kindOf(id);
    return refuse(`${place}.custom_id: expected 1 to 64 letters, digits, hyphens or underscores, found ${found}`);
  }
  if (!isObject(params)) return refuse(`${place}.params: expected an object, found ${kindOf(params)}`);
  return id;
}

function refuse(message: string): never {
  throw new HttpError(400, message);
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const quoted = (text: string): string => JSON.stringify(text.slice(0, 80));

/** Never the value itself: it may be private. */
function kindOf(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}
