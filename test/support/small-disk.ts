import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
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

export interface RemovableDisk {
  readonly path: string;
  /** As a disk goes that is in use: what is open stays open, by its path nothing is to be found. */
  goAway(): void;
  comeBack(): void;
  /** With all that is on it, as another device. */
  comeBackElsewhere(): void;
  /** What lies in the folder under the mount: to be looked at while the disk is away. */
  underneath(): string[];
}

/** A disk that can be unmounted while it is used, and mounted again: its files are kept beside it. */
export function removableDisk(folder: string, name = "disk"): RemovableDisk {
  const [path, kept, copy] = [name, "kept", "copy"].map((one) => join(folder, one)) as [string, string, string];
  for (const directory of [path, kept, copy]) mkdirSync(directory);
  for (const directory of [kept, copy]) mount("-t", "tmpfs", "-o", "size=16m", "tmpfs", directory);
  mount("--bind", kept, path);
  let isThere = true;
  const goAway = (): void => {
    if (isThere) execFileSync("umount", ["-l", path]);
    isThere = false;
  };
  const comeBackFrom = (place: string) => (): void => {
    mount("--bind", place, path);
    isThere = true;
  };
  afterTests(() => {
    goAway();
    for (const directory of [kept, copy]) execFileSync("umount", ["-l", directory]);
  });
  return {
    path,
    goAway,
    comeBack: comeBackFrom(kept),
    comeBackElsewhere() {
      execFileSync("cp", ["-a", `${kept}/.`, copy]);
      comeBackFrom(copy)();
    },
    underneath: () => readdirSync(path),
  };
}
