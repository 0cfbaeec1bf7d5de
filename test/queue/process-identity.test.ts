import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { identityOfThisProcess, isRunning } from "../../src/queue/process-identity.ts";

describe("the identity of a process", () => {
  it("says that this process runs, under the same identity each time", () => {
    expect(identityOfThisProcess()).toEqual(identityOfThisProcess());
    expect(isRunning(identityOfThisProcess())).toBe(true);
  });

  it("says of a process that has ended that it does not run, whether or not its parent has asked how", async () => {
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
    await once(child, "spawn");
    const own = identityOfThisProcess();
    expect(isRunning({ ...own, pid: child.pid! })).toBe(false);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(isRunning({ ...own, pid: child.pid! })).toBe(false);
  });

  it("takes a process of another host for running", () => {
    expect(isRunning({ host: "elsewhere.example", pid: 1, startedAt: "0" })).toBe(true);
  });
});
