import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { explainReadError } from "./explain-error.ts";
import type { InputIdentity } from "./input.ts";

const blockBytes = 1024 * 1024;
const mostBlocks = 64;

/**
 * Identifies a file by its size and content. Up to 64 MB all of it is hashed, beyond that 64 blocks of 1 MB spread
 * evenly, the first and the last among them: an edit in place between blocks that keeps the size goes unseen, which is
 * the price of never reading a large input once more. The time is told but not hashed, so that a copy is the same input.
 * @throws UserError when it cannot be read.
 */
export async function fingerprint(path: string, source: string): Promise<InputIdentity> {
  try {
    await using file = await open(path, "r");
    const { size, mtimeMs } = await file.stat();
    const hash = createHash("sha256").update(`${size}\n`);
    const block = Buffer.allocUnsafeSlow(blockBytes);
    const blocks = Math.min(mostBlocks, Math.ceil(size / blockBytes));
    for (let number = 0; number < blocks; number++) {
      const { bytesRead } = await file.read(block, 0, blockBytes, offsetOf(number, blocks, size));
      hash.update(block.subarray(0, bytesRead));
    }
    return { source, sizeBytes: size, modifiedMs: Math.floor(mtimeMs), sha256: hash.digest("hex") };
  } catch (error) {
    throw explainReadError(error, source);
  }
}

function offsetOf(number: number, blocks: number, size: number): number {
  if (size <= mostBlocks * blockBytes) return number * blockBytes;
  return Math.floor((number / (blocks - 1)) * (size - blockBytes));
}
