import { randomBytes } from "node:crypto";
import { createReadStream, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Input } from "../intake/input.ts";
import { openInput } from "../intake/open-input.ts";
import { UserError } from "../job/errors.ts";
import { hasEnded, readTiers, type ServedBatch } from "./served-batch.ts";
import { openServerClient, type RequestBody, type ServerFlags } from "./server-client.ts";
import { endedCode, watchBatches } from "./status.ts";

export interface SubmitFlags extends ServerFlags {
  readonly task?: string;
  readonly private: boolean;
  readonly window: string;
  readonly weight?: number;
  readonly wait: boolean;
  readonly json: boolean;
}

/** `promptfleet submit INPUT`: uploads it as it is read, and orders a batch of it. Prints the batch's id. */
export async function submit(source: string, flags: SubmitFlags): Promise<number> {
  const client = await openServerClient(flags);
  const spool = mkdtempSync(join(tmpdir(), "promptfleet-"));
  let batch: ServedBatch;
  try {
    const input = await openInput(source, { spoolDirectory: join(spool, "input"), stdin: process.stdin });
    try {
      const endpoint = await endpointOf(input, source);
      const file = await client.json(
        "POST",
        "/v1/files",
        formOf(input, source === "-" ? "stdin.jsonl" : basename(source)),
      );
      batch = (await client.json("POST", "/v1/batches", {
        input_file_id: file.id,
        endpoint,
        completion_window: flags.window,
        ...(flags.weight === undefined ? {} : { weight: flags.weight }),
        metadata: {
          ...(flags.task === undefined ? {} : { task: flags.task }),
          ...(flags.private ? { private: "true" } : {}),
        },
      })) as unknown as ServedBatch;
    } finally {
      await input.close();
    }
  } finally {
    rmSync(spool, { recursive: true, force: true });
  }
  process.stdout.write(flags.json ? `${JSON.stringify(batch)}\n` : `${batch.id}\n`);
  if (!flags.wait) return 0;
  const ended = await watchBatches(client, flags.json, async () => {
    batch = (await client.json("GET", `/v1/batches/${batch.id}`)) as unknown as ServedBatch;
    const { tiers, waits } = await readTiers(client);
    return {
      batches: [batch],
      tiers: tiers.filter(({ reasons }) => reasons.length > 0),
      waits,
      isOver: hasEnded(batch),
    };
  });
  return ended ? endedCode(batch) : 130;
}

/** A batch has one endpoint: that of OpenAI's lines, by the first of them; other rows are chats. */
async function endpointOf(input: Input, source: string): Promise<string> {
  if (input.kind === "files") {
    throw new UserError(`expected a file of rows, found files that are rows (${source}); promptfleet run takes those`);
  }
  for await (const [line] of input.readLines()) {
    const url = /"url"\s*:\s*"(\/v1\/[a-z/]+)"/.exec(line!.bytes.subarray(0, 65_536).toString("utf8"))?.[1];
    return url ?? "/v1/chat/completions";
  }
  throw new UserError(`expected rows in ${source}, found none`);
}

/** The upload as multipart/form-data, read from disk as it is sent. */
function formOf({ path, sizeBytes }: Input, filename: string): RequestBody {
  const boundary = `promptfleet-${randomBytes(12).toString("hex")}`;
  const part = (head: string) => `--${boundary}\r\ncontent-disposition: form-data; ${head}\r\n`;
  const name = filename.replaceAll(/["\\\r\n]/g, "_");
  const head = Buffer.from(
    `${part('name="purpose"')}\r\nbatch\r\n${part(`name="file"; filename="${name}"`)}content-type: application/jsonl\r\n\r\n`,
  );
  const end = Buffer.from(`\r\n--${boundary}--\r\n`);
  async function* bytes(): AsyncGenerator<Buffer> {
    yield head;
    // What is appended meanwhile is no part of it.
    if (sizeBytes > 0) yield* createReadStream(path, { end: sizeBytes - 1 }) as AsyncIterable<Buffer>;
    yield end;
  }
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    bytes: bytes(),
    size: head.length + sizeBytes + end.length,
  };
}
