import { statfs } from "node:fs/promises";
import { availableParallelism, freemem, totalmem } from "node:os";
import { nearestFolder } from "../config/network-disk.ts";

export interface MachineLook {
  readonly cores: number;
  readonly memoryBytes: number;
  readonly freeMemoryBytes: number;
  readonly node: string;
  readonly dataDirectory: string;
  readonly freeDiskBytes: number;
}

/** Segments and Redis' append-only file grow with a batch; below this there is hardly room for one. */
const littleDiskBytes = 1024 ** 3;

export async function lookAtMachine(dataDirectory: string): Promise<MachineLook> {
  const { bavail, bsize } = await statfs(nearestFolder(dataDirectory));
  return {
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    freeMemoryBytes: freemem(),
    node: process.version.slice(1),
    dataDirectory,
    freeDiskBytes: bavail * bsize,
  };
}

export function hasLittleDisk({ freeDiskBytes }: MachineLook): boolean {
  return freeDiskBytes < littleDiskBytes;
}

/** 1.5 GB, 300 MB. */
export function sizeText(bytes: number): string {
  const gigabytes = bytes / 1024 ** 3;
  if (gigabytes >= 10) return `${Math.round(gigabytes)} GB`;
  return gigabytes >= 1 ? `${gigabytes.toFixed(1)} GB` : `${Math.round(bytes / 1024 ** 2)} MB`;
}
