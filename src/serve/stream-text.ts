import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Response } from "express";

const textPerChunk = 64 * 1024;

/** Sends lines as they come, no faster than the client reads; ends quietly when the client goes away. */
export async function streamText<One>(
  response: Response,
  source: AsyncIterable<One>,
  lineOf: (one: One) => string,
): Promise<void> {
  async function* chunks(): AsyncGenerator<string> {
    let text = "";
    for await (const one of source) {
      text += lineOf(one);
      if (text.length < textPerChunk) continue;
      yield text;
      text = "";
    }
    if (text !== "") yield text;
  }
  try {
    await pipeline(Readable.from(chunks(), { objectMode: false }), response);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
  }
}
