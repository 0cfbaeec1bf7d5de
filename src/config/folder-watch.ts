import { statSync } from "node:fs";
import { nearestFolder } from "./network-disk.ts";

/** Notices that a folder's disk went: was unmounted, pulled out, or disconnected. */
export interface FolderWatch {
  /** What went, and what to do; undefined while the folder is on the disk that it was on. As of a moment ago. */
  trouble(): string | undefined;
  /** The same as of now: for who is about to make a file. */
  look(): string | undefined;
}

/** A look costs a system call, and some ask for each row. */
const lookEveryMs = 200;

/**
 * What is open goes on into a disk that was unmounted, as if nothing were; what is made by its path would come to lie in
 * the bare folder under the mount, where nobody finds it. The number of the device tells: inodes change on some disks.
 */
export function watchFolder(folder: string): FolderWatch {
  const device = deviceOf(folder);
  let lookedAtMs = performance.now();
  let isThere = true;
  const words = `the disk of ${folder} is gone (unmounted or pulled out?); mount it again`;

  function look(): string | undefined {
    isThere = deviceOf(folder) === device;
    lookedAtMs = performance.now();
    return isThere ? undefined : words;
  }

  return {
    trouble() {
      if (performance.now() - lookedAtMs >= lookEveryMs) return look();
      return isThere ? undefined : words;
    },
    look,
  };
}

/** The number of the device that a folder is on, or would be made on. */
export const diskOf = (folder: string): number | undefined => deviceOf(nearestFolder(folder));

/** Undefined also where the system cannot say. */
function deviceOf(folder: string): number | undefined {
  try {
    return statSync(folder).dev;
  } catch {
    return undefined;
  }
}
