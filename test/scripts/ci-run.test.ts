import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "promptfleet-ci-"));
  for (const folder of ["scripts", ".ci"]) mkdirSync(join(root, folder));
  copyFileSync(join(import.meta.dirname, "../../.ci/run"), join(root, ".ci/run"));
});
afterEach(() => rmSync(root, { recursive: true }));

/** Runs `.ci/run` over a stand-in for each of its two steps. */
function run(test: string, quickstart: string) {
  for (const [name, body] of Object.entries({ test, quickstart })) {
    writeFileSync(join(root, "scripts", name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  }
  const { status, stdout } = spawnSync("bash", [".ci/run"], { cwd: root, encoding: "utf8" });
  return { status, lastLine: stdout.trimEnd().split("\n").at(-1) };
}

const report = (passed: number, failed: number) =>
  `for option; do case "$option" in --outputFile.json=*) echo '{"numTotalTests":9,"numPassedTests":${passed},"numFailedTests":${failed},"testResults":[]}' >"\${option#*=}" ;; esac; done`;

it("ends with the tests' own numbers", () => {
  expect(run(report(12, 0), "true")).toEqual({ status: 0, lastLine: "12 passed, 0 failed" });
});

it("fails with the failed tests, and still runs the quickstart", () => {
  const quickstart = "touch quickstart-ran";
  expect(run(`${report(11, 2)}; exit 1`, quickstart)).toEqual({ status: 1, lastLine: "11 passed, 2 failed" });
  expect(spawnSync("ls", ["quickstart-ran"], { cwd: root }).status).toBe(0);
});

it("counts a check that failed before any test ran", () => {
  expect(run("exit 1", "true")).toEqual({ status: 1, lastLine: "0 passed, 1 failed" });
});

it("counts a quickstart that failed", () => {
  expect(run(report(12, 0), "exit 3")).toEqual({ status: 3, lastLine: "12 passed, 1 failed" });
});

it("gives its steps no standard input and says that it is CI", () => {
  expect(run(`read -r line && exit 1; [ "$CI" = true ] || exit 1; ${report(1, 0)}`, "true").status).toBe(0);
});
