import { createReadStream } from "node:fs";
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { messageOf, UserError } from "../job/errors.ts";
import { explainReadError } from "./explain-error.ts";

export type Bytes = AsyncIterable<Buffer>;

/** @throws UserError (while it is read) when it cannot be read. */
export async function* bytesOfFile(path: string, source: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024 })) yield chunk as Buffer;
  } catch (error) {
    throw explainReadError(error, source);
  }
}

/** @throws UserError (while it is read) when it is damaged, cut off or no gzip at all. */
export async function* gunzipped(bytes: Bytes, source: string): AsyncGenerator<Buffer> {
  let readError: unknown;
  const input = Readable.from(bytes).on("error", (error) => {
    readError = error;
  });
  const output = createGunzip({ chunkSize: 256 * 1024 });
  pipeline(input, output, () => {});
  try {
    for await (const chunk of output) yield chunk as Buffer;
  } catch (error) {
    if (readError !== undefined) throw readError;
    throw new UserError(`cannot unpack ${source}: ${messageOf(error)}; is it a whole gzip file? gzip -t tests it`);
  }
}

/** The first bytes of a stream (at least `enough(head)`, if it is that long) and the whole stream. */
export async function peek(
  bytes: Bytes,
  isEnough: (head: Buffer) => boolean,
): Promise<{ readonly head: Buffer; readonly all: Bytes }> {
  const iterator = bytes[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (!isEnough(head)) {
    const next = await iterator.next();
    if (next.done === true) break;
    head = Buffer.concat([head, Buffer.from(next.value)]);
  }
  async function* all(): AsyncGenerator<Buffer> {
    try {
      if (head.length > 0) yield head;
      for (;;) {
        const next = await iterator.next();
        if (next.done === true) return;
        yield Buffer.from(next.value);
      }
    } finally {
      await iterator.return?.();
    }
  }
  return { head, all: all() };
}
