import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { takeLock } from "../../src/queue/lock-file.ts";
import { identityOfThisProcess } from "../../src/queue/process-identity.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const contender = fileURLToPath(new URL("./lock-contender.ts", import.meta.url));

function startContender(): ChildProcess {
  const child = fork(contender);
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

async function ask(child: ChildProcess, question: { take?: string; release?: true }): Promise<unknown> {
  const answer = once(child, "message");
  child.send(question);
  return (await answer)[0];
}

const deadHolder = { host: hostname(), pid: 4_194_305, startedAt: "1" };

describe("the lock file", () => {
  it("is taken once, names its holder, and is free again after it was released", () => {
    const path = join(temporaryFolder(), "lock");
    const first = takeLock(path);
    expect(first.held).toBe(true);
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(identityOfThisProcess());
    expect(takeLock(path)).toEqual({ held: false, holder: identityOfThisProcess() });
    if (first.held) first.release();
    expect(existsSync(path)).toBe(false);
    expect(takeLock(path).held).toBe(true);
  });

  it("refuses while another process that lives holds it, and breaks it at once when that was killed", async () => {
    const path = join(temporaryFolder(), "lock");
    const child = startContender();
    expect(await ask(child, { take: path })).toBe("held");
    expect(takeLock(path)).toMatchObject({ held: false, holder: { pid: child.pid } });
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
    expect(takeLock(path).held).toBe(true);
  });

  it("breaks the lock of a dead process whose number the system gave to another", () => {
    const path = join(temporaryFolder(), "lock");
    writeFileSync(path, JSON.stringify({ ...identityOfThisProcess(), startedAt: "an earlier life" }));
    expect(takeLock(path).held).toBe(true);
  });

  it("leaves the lock of another host alone, since nobody here can know whether it lives", () => {
    const path = join(temporaryFolder(), "lock");
    const elsewhere = { host: "elsewhere.example", pid: process.pid, startedAt: "1" };
    writeFileSync(path, JSON.stringify(elsewhere));
    expect(takeLock(path)).toEqual({ held: false, holder: elsewhere });
  });

  it("breaks a lock that nobody can have written", () => {
    const path = join(temporaryFolder(), "lock");
    writeFileSync(path, "");
    expect(takeLock(path).held).toBe(true);
  });

  it("does not release what another has taken meanwhile", () => {
    const path = join(temporaryFolder(), "lock");
    const lock = takeLock(path);
    const other = { host: hostname(), pid: 1, startedAt: "other" };
    writeFileSync(path, JSON.stringify(other));
    if (lock.held) lock.release();
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(other);
  });

  it("is broken by one of several that come at once, and leaves nothing beside it", async () => {
    const folder = temporaryFolder();
    const children = [startContender(), startContender(), startContender(), startContender()];
    for (let round = 0; round < 100; round++) {
      const path = join(folder, `lock-${round}`);
      writeFileSync(path, JSON.stringify(deadHolder));
      const answers = await Promise.all(children.map((child) => ask(child, { take: path })));
      expect(answers.filter((answer) => answer === "held").length, `holders in round ${round}`).toBe(1);
      await Promise.all(children.map((child) => ask(child, { release: true })));
    }
    expect(readdirSync(folder)).toEqual([]);
  });
});
