import { readFileSync } from "node:fs";
import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { findKeys } from "../config/keys.ts";
import { messageOf, UserError } from "../job/errors.ts";

export interface ServerFlags {
  readonly url: string;
  readonly tokenFile?: string;
}

/** A body as it is sent: its bytes, and how many there are. */
export interface RequestBody {
  readonly contentType: string;
  readonly bytes: AsyncIterable<Buffer | string>;
  readonly size: number;
}

/** A promptfleet server, asked by a command. What it refuses is a UserError in its own words. */
export interface ServerClient {
  readonly url: string;
  /** Asks for a path below its URL, and reads its JSON. */
  json(method: "GET" | "POST", path: string, body?: RequestBody | object): Promise<Record<string, unknown>>;
  /** The same for an answer that may be large. */
  stream(path: string): Promise<Readable>;
}

const tokenVariable = "PROMPTFLEET_TOKEN";
/** What a server says to whom it does not know. */
const unknownCaller = "invalid_api_key";

/** @throws UserError for a URL that is none, or a token file that cannot be read. */
export async function openServerClient({ url, tokenFile }: ServerFlags): Promise<ServerClient> {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new UserError(
      `expected the URL of a promptfleet server such as http://127.0.0.1:8700, found ${url}; mend --url`,
    );
  }
  const base = url.replace(/\/+$/, "");
  const token = tokenFile === undefined ? await tokenOfSurroundings() : tokenIn(tokenFile);
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };

  async function ask(method: string, path: string, body?: RequestBody): Promise<IncomingMessage> {
    const send = new URL(base).protocol === "https:" ? requestHttps : requestHttp;
    const request = send(base + path, {
      method,
      headers: {
        ...headers,
        ...(body === undefined ? {} : { "content-type": body.contentType, "content-length": body.size }),
      },
    });
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      request.once("response", resolve).on("error", reject);
    });
    // A server that refuses an upload answers before it has all of it, and hangs up.
    const sent = body === undefined ? request.end() : pipeline(body.bytes, request).catch(() => answered);
    try {
      await Promise.race([sent, answered]);
      return await refuseRefusals(await answered, base, token !== undefined);
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw new UserError(
        `no promptfleet server answers at ${base} (${reasonOf(error)}); start one with promptfleet serve, or mend --url`,
      );
    }
  }

  return {
    url: base,
    async json(method, path, body) {
      const sent = body === undefined || "bytes" in body ? (body as RequestBody | undefined) : jsonBody(body);
      const answer = await text(await ask(method, path, sent));
      return readObject(answer) ?? foreignServer(base);
    },
    stream: (path) => ask("GET", path),
  };
}

/** Connecting to a name with several addresses fails with one error for all of them, which has no words. */
const reasonOf = (error: unknown): string =>
  error instanceof AggregateError ? error.errors.map(messageOf).join(", ") : messageOf(error);

function jsonBody(value: object): RequestBody {
  const bytes = Buffer.from(JSON.stringify(value));
  return { contentType: "application/json", bytes: Readable.from([bytes]), size: bytes.length };
}

async function refuseRefusals(answer: IncomingMessage, base: string, hadToken: boolean): Promise<IncomingMessage> {
  if ((answer.statusCode ?? 0) < 300) return answer;
  const error = readObject(await text(answer))?.error as { message?: unknown; code?: unknown } | undefined;
  if (typeof error?.message !== "string") return foreignServer(base);
  if (error.code !== unknownCaller) throw new UserError(`the server at ${base} says: ${error.message}`);
  throw new UserError(
    hadToken
      ? `the server at ${base} does not know this token; mend ${tokenVariable} (in the environment or a key file) or --token-file`
      : `the server at ${base} wants a token: set ${tokenVariable} (in the environment or in ~/.config/promptfleet/env), or give --token-file FILE`,
  );
}

function foreignServer(base: string): never {
  throw new UserError(`what answers at ${base} is no promptfleet server; mend --url`);
}

function readObject(json: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

async function tokenOfSurroundings(): Promise<string | undefined> {
  return (await findKeys([tokenVariable])).get(tokenVariable)?.value;
}

function tokenIn(file: string): string {
  let content: string;
  try {
    content = readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new UserError(`expected a file with a token, could not read it (${messageOf(error)}); mend --token-file`);
  }
  if (/^[\x21-\x7e]+$/.test(content)) return content;
  throw new UserError(`expected one token and nothing else in ${file}, found something else; mend --token-file`);
}
