import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ResultLine } from "../../src/job/result.ts";
import { afterTests } from "../support/clean-up.ts";
import { givenFleetConfig } from "../support/given-config.ts";
import { givenRows, startRun } from "../support/given-run.ts";
import { withRedis } from "../support/redis-server.ts";
import { type SimulatedBackend, startSimulatedBackend } from "../support/simulated-backend.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const server = withRedis();

function stored(row: number, text: string, error: ResultLine["error"] = null): string {
  const result: ResultLine = {
    id: `r${row}`,
    index: row,
    task: "simple",
    status: error === null ? "answered" : "failed",
    text: error === null ? text : null,
    model: "on-lab",
    tier: "lab",
    finish_reason: "stop",
    usage: { input_tokens: 1, output_tokens: 1, cached_tokens: 0 },
    cost_usd: 0,
    latency_ms: 1,
    attempts: 1,
    error,
  };
  return `${row}\t${JSON.stringify(result)}\n`;
}

/** A run of ten rows that finds these segments. */
async function resumeFrom(
  segments: Readonly<Record<number, string>>,
  retry: { generation?: number; retryFailedBelowEpoch?: number } = {},
): Promise<{ results: ResultLine[]; backend: SimulatedBackend }> {
  const backend = await startSimulatedBackend();
  afterTests(() => backend.close());
  const folder = temporaryFolder();
  for (const [epoch, text] of Object.entries(segments)) writeFileSync(join(folder, `out.jsonl.part.${epoch}`), text);
  const config = givenFleetConfig(server.newFleetName(), { lab: backend });
  const run = await startRun({ server, config, folder, rows: givenRows(10), ...retry });
  return { results: await run.finish(), backend };
}

const textsOf = (results: readonly ResultLine[]) => results.map(({ text }) => text);
const answers = Array.from({ length: 10 }, (_, row) => `answer to r${row}`);

describe("a run that finds segments of earlier owners", () => {
  it("asks only the rows that are not in them", async () => {
    const { results, backend } = await resumeFrom({ 1: stored(3, "three") + stored(0, "zero"), 2: stored(9, "nine") });
    expect(textsOf(results)).toEqual(answers.with(0, "zero").with(3, "three").with(9, "nine"));
    expect(backend.requests()).toBe(7);
  });

  it("takes the first of a row that is in several, also when a frozen owner wrote on", async () => {
    const { results } = await resumeFrom({ 2: stored(5, "second"), 1: stored(5, "first") + stored(5, "again") });
    expect(results[5]?.text).toBe("first");
  });

  it("asks rows again whose line is torn, is not JSON or holds what a power cut left", async () => {
    const torn = stored(4, "torn").slice(0, 40);
    const holed = `6\t{"id":"r6","te\0\0\0\0\0\0"}\n`;
    const { results, backend } = await resumeFrom({
      1: `${stored(1, "one")}5\tnot json\n${holed}7\t\n${stored(8, "eight")}${torn}`,
    });
    expect(textsOf(results)).toEqual(answers.with(1, "one").with(8, "eight"));
    expect([...backend.countsByKey.keys()].sort()).toEqual(["r0", "r2", "r3", "r4", "r5", "r6", "r7", "r9"]);
  });

  it("asks rows again whose line somebody edited so that it is no result of that row any more", async () => {
    const edited = [
      stored(2, "two").replace('"index":2', '"index":3'),
      `4\t{}\n`,
      `5\tnull\n`,
      `6\t{"status":"answered"}\n`,
    ];
    const { results, backend } = await resumeFrom({ 1: stored(1, "one") + edited.join("") + stored(8, "eight") });
    expect(textsOf(results)).toEqual(answers.with(1, "one").with(8, "eight"));
    expect(backend.requests()).toBe(8);
  });

  it("is refused when one is of another batch, or holds rows that the input does not have", async () => {
    await expect(resumeFrom({ 1: `batch other\n${stored(1, "one")}` })).rejects.toThrow(
      /part\.1 holds results of batch other, the unfinished run .* is batch run; move it away/,
    );
    await expect(resumeFrom({ 1: stored(12, "twelve") })).rejects.toThrow(
      /hold a result of row 12, and the input has 10 rows; .* --fresh/,
    );
  });

  it("asks failed rows again below the epoch at which it was told to, and keeps later failures", async () => {
    const failure = { code: "rejected", message: "no" } as const;
    const { results, backend } = await resumeFrom(
      { 1: stored(1, "one") + stored(2, "", failure), 2: stored(3, "", failure) },
      { generation: 1, retryFailedBelowEpoch: 2 },
    );
    expect(results.map(({ status }) => status)).toEqual([...Array(10).fill("answered")].with(3, "failed"));
    expect(results[2]?.text).toBe("answer to r2");
    expect(backend.countsByKey.has("r1")).toBe(false);
    expect(backend.countsByKey.has("r3")).toBe(false);
  });

  it("asks nothing when all is there", async () => {
    const all = Array.from({ length: 10 }, (_, row) => stored(row, `stored ${row}`)).join("");
    const { results, backend } = await resumeFrom({ 7: all });
    expect(results.every(({ text }) => text?.startsWith("stored"))).toBe(true);
    expect(backend.requests()).toBe(0);
  });
});
