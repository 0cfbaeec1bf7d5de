import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, rmdirSync, rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../job/errors.ts";
import { reasonOf } from "./explain-error.ts";

/** A plain file made of an input that cannot be read from any offset. */
export interface Spool {
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

const batchBytes = 256 * 1024;

/**
 * Writes a stream into a file that only this user can read (it may hold private prompts), replacing what an earlier run
 * left there. Errors of the stream pass through; whatever ends it early leaves no file.
 * @throws UserError when the file cannot be written.
 */
export async function writeSpool(directory: string, pieces: AsyncIterable<Buffer>): Promise<Spool> {
  const path = join(directory, "rows.jsonl");
  const hash = createHash("sha256");
  let sizeBytes = 0;
  let batch: Buffer[] = [];
  let batchSize = 0;
  const file = await created(directory, path);
  try {
    const flush = async (): Promise<void> => {
      const data = Buffer.concat(batch, batchSize);
      batch = [];
      batchSize = 0;
      hash.update(data);
      sizeBytes += data.length;
      await file.appendFile(data).catch((error) => {
        throw cannotWrite(error, path);
      });
    };
    for await (const piece of pieces) {
      batch.push(piece);
      batchSize += piece.length;
      if (batchSize >= batchBytes) await flush();
    }
    if (batchSize > 0) await flush();
  } catch (error) {
    await file.close();
    removeSpool(directory);
    throw error;
  }
  await file.close();
  return { path, sizeBytes, sha256: hash.digest("hex") };
}

/** Removes what `writeSpool` made; the directory stays when somebody else's files are in it. */
export function removeSpool(directory: string): void {
  rmSync(join(directory, "rows.jsonl"), { force: true });
  try {
    rmdirSync(directory);
  } catch {
    // Not there, or not empty.
  }
}

async function created(directory: string, path: string): Promise<FileHandle> {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    chmodSync(directory, 0o700);
    rmSync(path, { force: true });
    return await open(path, "ax", 0o600);
  } catch (error) {
    throw cannotWrite(error, path);
  }
}

function cannotWrite(error: unknown, path: string): UserError {
  const code = (error as NodeJS.ErrnoException).code;
  const reason = code === "ENOSPC" || code === "EDQUOT" ? "no space is left; free some" : reasonOf(error);
  return new UserError(
    `cannot write ${path}, where the input is unpacked: ${reason}, or choose an output on another disk`,
  );
}
