import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterTests } from "./clean-up.ts";

export interface SmallDisk {
  readonly path: string;
  resize(size: string): void;
}

function mount(...args: string[]): void {
  execFileSync("mount", args, { stdio: "pipe" });
}

/** Why this machine cannot make a disk for a test, or undefined when it can. */
export function whyNoDisk(): string | undefined {
  if (process.platform !== "linux") return "needs Linux";
  if (process.getuid?.() !== 0) return "needs root to mount a tmpfs";
  const folder = mkdtempSync(join(tmpdir(), "pf-mount-"));
  try {
    mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", folder);
    execFileSync("umount", [folder]);
    return undefined;
  } catch {
    return "may not mount a tmpfs here";
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A disk of its own for the running test. */
export function smallDisk(folder: string, options: string): SmallDisk {
  const path = join(folder, "disk");
  mkdirSync(path);
  mount("-t", "tmpfs", "-o", options, "tmpfs", path);
  afterTests(() => void execFileSync("umount", ["-l", path]));
  return { path, resize: (size) => mount("-o", `remount,size=${size}`, path) };
}
