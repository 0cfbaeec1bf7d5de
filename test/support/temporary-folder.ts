import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterTests } from "./clean-up.ts";

/** A folder of the running test's own, removed after the tests. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "pf-test-"));
  afterTests(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
