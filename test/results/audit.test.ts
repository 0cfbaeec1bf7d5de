import { appendFileSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { AuditedCall } from "../../src/job/audited-call.ts";
import { type AuditChain, openAudit } from "../../src/results/audit.ts";
import { listChainFiles } from "../../src/results/audit-chains.ts";
import { firstLink, sealHash, sealLine } from "../../src/results/audit-lines.ts";
import { type AuditRecord, readAudit } from "../../src/results/audit-read.ts";
import { verifyAudit, type Witnessed } from "../../src/results/audit-verify.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const identity = { host: "here", pid: 1, startedAt: "then" };
const text = "the patient's name is Jane";

function callOf(row: number, change: Partial<AuditedCall> = {}): AuditedCall {
  return {
    batch: "b1",
    row,
    attempt: 1,
    tier: "lab",
    model: "llama3.2",
    alias: "small",
    host: "127.0.0.1:11434",
    location: "local",
    private: true,
    messages: [{ role: "user", content: text }],
    ...change,
  };
}

let directory: string;
let day: Date;
beforeEach(() => {
  directory = join(temporaryFolder(), "audit");
  day = new Date("2026-11-24T10:00:00Z");
});

const open = (processId = "p1"): AuditChain => openAudit({ directory, processId, identity, now: () => day });
const verify = (given: Witnessed[] = [], running = false) => verifyAudit(directory, given, () => running);
const pathOf = (processId = "p1", suffix = "jsonl") => join(directory, "2026-11-24", `${processId}.${suffix}`);

async function recordsOf(filter = {}): Promise<AuditRecord[]> {
  const records: AuditRecord[] = [];
  for await (const record of readAudit(directory, filter)) records.push(record);
  return records;
}

/** A closed chain of three groups: its opening, two calls of one turn, one call. */
async function givenChain(processId = "p1", closed = true): Promise<AuditChain> {
  const chain = open(processId);
  await Promise.all([chain.note(callOf(0)), chain.note(callOf(1))]);
  await chain.note(callOf(2, { location: "cloud", private: false }));
  if (closed) chain.close();
  return chain;
}

describe("a call's record", () => {
  it("is in the file before the call may go, with all but the text", async () => {
    const chain = open();
    expect(await chain.note(callOf(7))).toBeUndefined();
    const [record] = await recordsOf();
    const { messages: _, ...shown } = callOf(7);
    expect(record).toEqual({ ...shown, time: day.toISOString(), prompt: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(readFileSync(pathOf(), "utf8")).not.toContain("Jane");
  });

  it("shares its seal with those of the same turn", async () => {
    await givenChain();
    expect(
      readFileSync(pathOf(), "utf8")
        .split("\n")
        .map((line) => line.slice(0, 8)),
    ).toEqual([
      ...['{"open":', '{"seal":'],
      ...['{"time":', '{"time":', '{"seal":'],
      ...['{"time":', '{"seal":'],
      ...['{"close"', '{"seal":', ""],
    ]);
  });

  it("names a prompt by a hash that only its data directory can make", async () => {
    const chain = open();
    await chain.note(callOf(0));
    await chain.note(callOf(1));
    await chain.note(callOf(2, { messages: [{ role: "user", content: "else" }] }));
    const [first, same, other] = await recordsOf();
    expect(same?.prompt).toBe(first?.prompt);
    expect(other?.prompt).not.toBe(first?.prompt);
    directory = join(temporaryFolder(), "audit");
    await open().note(callOf(0));
    expect((await recordsOf())[0]?.prompt).not.toBe(first?.prompt);
    expect(statSync(join(directory, "key")).mode & 0o777).toBe(0o600);
    expect(statSync(pathOf()).mode & 0o777).toBe(0o600);
  });

  it("that cannot be written lets nothing go, and is written once it can be", async () => {
    writeFileSync(directory, "a file in its way");
    const chain = open();
    expect(await chain.note(callOf(0))).toMatch(/audit.*cannot be written.*nothing is sent/);
    rmSync(directory);
    expect(await chain.note(callOf(1))).toBeUndefined();
    chain.close();
    expect((await recordsOf()).map(({ row }) => row)).toEqual([1]);
    expect(await verify()).toMatchObject({ problems: [], notes: [] });
  });

  it("is found by each of its fields", async () => {
    await givenChain();
    day = new Date("2026-11-24T12:00:00Z");
    const later = open("p2");
    await later.note(callOf(9, { batch: "b2", tier: "gpu", model: "m", alias: "big" }));
    const rowsOf = async (filter: object) => (await recordsOf(filter)).map(({ row }) => row);
    expect(await rowsOf({ batch: "b2" })).toEqual([9]);
    expect(await rowsOf({ row: 1 })).toEqual([1]);
    expect(await rowsOf({ tier: "gpu" })).toEqual([9]);
    expect([await rowsOf({ model: "m" }), await rowsOf({ model: "big" })]).toEqual([[9], [9]]);
    expect(await rowsOf({ private: true })).toEqual([0, 1, 9]);
    expect(await rowsOf({ location: "cloud" })).toEqual([2]);
    expect(await rowsOf({ private: true, location: "cloud" })).toEqual([]);
    expect(await rowsOf({ since: new Date("2026-11-24T11:00:00Z") })).toEqual([9]);
  });
});

describe("verification", () => {
  it("passes closed chains, and one that is being written", async () => {
    await givenChain();
    const chain = await givenChain("p2", false);
    expect(await verify([], true)).toEqual({ chains: 2, records: 6, problems: [], notes: [] });
    chain.close();
    expect(await verify()).toMatchObject({ problems: [], notes: [] });
  });

  it.each(["closed", "killed"])(
    "finds every byte that was changed in a chain that was %s",
    async (how) => {
      await givenChain("p1", how === "closed");
      for (const path of [pathOf(), pathOf("p1", "head")]) {
        const whole = readFileSync(path);
        for (let at = 0; at < whole.length; at++) {
          const edited = Buffer.from(whole);
          edited[at] = whole[at]! ^ 1;
          writeFileSync(path, edited);
          expect((await verify()).problems.length, `${path}, byte ${at}`).toBeGreaterThan(0);
        }
        writeFileSync(path, whole);
      }
      expect(await verify()).toMatchObject({ problems: [] });
    },
    120_000,
  );

  it.each(["closed", "killed"])(
    "finds every cut of the end of a chain that was %s",
    async (how) => {
      await givenChain("p1", how === "closed");
      const whole = readFileSync(pathOf());
      for (let length = whole.length - 1; length >= 0; length--) {
        truncateSync(pathOf(), length);
        expect((await verify()).problems.join(), `${length} bytes left`).toContain("its end is cut");
      }
    },
    120_000,
  );

  it("says where", async () => {
    await givenChain();
    const content = readFileSync(pathOf(), "utf8");
    writeFileSync(pathOf(), content.replace('"row":1', '"row":5'));
    expect((await verify()).problems).toEqual([`${pathOf()}:3: lines 3 to 5 are not as they were sealed (seal 2)`]);
  });

  it("finds a group that was taken out", async () => {
    await givenChain();
    const lines = readFileSync(pathOf(), "utf8").split("\n");
    writeFileSync(pathOf(), lines.toSpliced(2, 3).join("\n"));
    expect((await verify()).problems.join()).toContain("what lay between is gone");
  });

  it("finds a line that was added behind the end", async () => {
    await givenChain();
    appendFileSync(pathOf(), `${JSON.stringify(callOf(9))}\n`);
    expect((await verify()).problems.join()).toContain("under no seal");
    expect((await recordsOf()).map(({ row }) => row)).toEqual([0, 1, 2]);
  });

  it("takes the end of a killed process for what it is", async () => {
    await givenChain("p1", false);
    appendFileSync(pathOf(), '{"time":"2026-');
    const { problems, notes } = await verify();
    expect(problems).toEqual([]);
    expect(notes.join()).toMatch(/killed while it wrote.*killed after seal 3/s);
  });

  it("finds a removed file, by its head or by the chain that came after it", async () => {
    await givenChain();
    await givenChain("p2");
    rmSync(pathOf());
    expect((await verify()).problems.join()).toContain(`${pathOf()} is gone`);
    rmSync(pathOf("p1", "head"));
    expect((await verify()).problems.join()).toMatch(/2026-11-24\/p1.jsonl is gone: .*p2.jsonl knows of it/);
  });

  it("finds a chain that was made anew, and all that is gone, by what is known elsewhere", async () => {
    const head = { ...(await givenChain()).head()!, by: "Redis" };
    expect((await verify([head])).problems).toEqual([]);
    const lines = `${JSON.stringify({ open: "p1", ...identity, version: 1, after: 0, others: [] })}\n`;
    const link = sealHash(firstLink("p1"), lines, 1);
    writeFileSync(pathOf(), lines + sealLine(1, link));
    rmSync(pathOf("p1", "head"));
    expect((await verify([head])).problems.join()).toContain("Redis knows of more");
    rmSync(directory, { recursive: true });
    expect((await verify([head])).problems).toEqual(["2026-11-24/p1.jsonl is gone: Redis knows of it"]);
  });

  it("follows a chain over midnight, and misses either of its files", async () => {
    const chain = open();
    await chain.note(callOf(0));
    day = new Date("2026-11-25T00:00:01Z");
    await chain.note(callOf(1));
    chain.close();
    expect(await verify()).toEqual({ chains: 1, records: 2, problems: [], notes: [] });
    expect(listChainFiles(directory).map((file) => file.day)).toEqual(["2026-11-24", "2026-11-25"]);
    const second = join(directory, "2026-11-25");
    rmSync(second, { recursive: true });
    expect((await verify()).problems.join()).toMatch(/went on in 2026-11-25, and that file is gone/);
  });

  it("misses the first file of a chain that has another", async () => {
    const chain = open();
    await chain.note(callOf(0));
    day = new Date("2026-11-25T00:00:01Z");
    await chain.note(callOf(1));
    chain.close();
    rmSync(join(directory, "2026-11-24"), { recursive: true });
    expect((await verify()).problems.join()).toMatch(/what lay between is gone/);
  });
});
