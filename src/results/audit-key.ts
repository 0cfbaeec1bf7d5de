import { randomBytes } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * The secret of a data directory with which prompts are hashed, made at its first use. A plain hash of a short text can
 * be guessed by hashing all likely texts; with the key it says nothing to those who are handed the audit without it.
 */
export function readAuditKey(directory: string): string {
  const path = join(directory, "key");
  for (let made = false; ; made = true) {
    try {
      const key = readFileSync(path, "utf8").trim();
      if (/^[0-9a-f]{64}$/.test(key)) return key;
      throw new Error(`${path} holds no key; restore it, or remove it for a new one`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || made) throw error;
    }
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    // Several processes may come at once: link() shows a whole key, and only the first one's.
    const candidate = `${path}.${process.pid}.${randomBytes(4).toString("hex")}`;
    try {
      writeFileSync(candidate, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600, flush: true });
      linkSync(candidate, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    } finally {
      rmSync(candidate, { force: true });
    }
  }
}
