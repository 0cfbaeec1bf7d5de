import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { afterTests } from "../support/clean-up.ts";
import { isAlive } from "../support/cli.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

it("lets no program, and nothing that it started, outlive a process that was killed", async () => {
  const folder = temporaryFolder();
  const run = {
    file: "/bin/sh",
    args: ["-c", `sleep 600 & echo $$ $! > ${folder}/writing && mv ${folder}/writing ${folder}/pids; wait`],
    environment: {},
    input: "",
    timeoutMs: 600_000,
  };
  const script = `
    const { runProgram } = await import(${JSON.stringify(join(import.meta.dirname, "../../workers/run-program.ts"))});
    await runProgram({ ...${JSON.stringify(run)}, signal: new AbortController().signal });`;
  const parent = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: "ignore" });
  afterTests(() => parent.kill("SIGKILL"));
  await until("the program to start", () => existsSync(join(folder, "pids")));
  const pids = readFileSync(join(folder, "pids"), "utf8").trim().split(" ").map(Number);
  expect(pids.map(isAlive)).toEqual([true, true]);
  parent.kill("SIGKILL");
  await until("both to end", () => !pids.some(isAlive));
});
