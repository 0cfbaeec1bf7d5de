import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { measureAdapters } from "../../scripts/bench/adapters.ts";
import { measureAsk } from "../../scripts/bench/ask.ts";
import { measureMemory } from "../../scripts/bench/memory.ts";
import { measureOnline } from "../../scripts/bench/online.ts";
import { measureProfile, profileDefaults } from "../../scripts/bench/profile.ts";
import { measureServe } from "../../scripts/bench/serve.ts";
import { measureSlots } from "../../scripts/bench/slots.ts";
import { measureThroughput } from "../../scripts/bench/throughput.ts";

/* Each benchmark once, as small as it goes: it must run and measure; how fast is not for a test to say. */

const program = join(import.meta.dirname, "..", "..", "src", "cli.ts");

describe("the benchmarks", () => {
  test("throughput asks every row once on each side and compares their rates and CPU", async () => {
    const { rounds, redisVersion, figures } = await measureThroughput({
      program,
      rows: 60,
      rounds: 1,
      concurrency: 10,
    });
    expect(redisVersion).toMatch(/^\d+\.\d+/);
    expect(Object.keys(rounds[0]!)).toEqual(["promptfleet", "openai script", "BullMQ tutorial"]);
    for (const side of Object.values(rounds[0]!)) {
      expect(side.rowsPerSecondInside).toBeGreaterThan(side.rowsPerSecond);
      expect(side.clientCpuMsPerRow).toBeGreaterThan(0);
    }
    expect(rounds[0]!.promptfleet.redisCpuMsPerRow).toBeGreaterThan(0);
    expect(rounds[0]!["openai script"].redisCpuMsPerRow).toBe(0);
    expect(figures.map(({ goal }) => goal)).toEqual(["≥ 2.0 ×", "≥ 2.5 ×", "", ""]);
  });

  test("adapters measures what each adds to a call of undici alone", async () => {
    const { rounds, figures } = await measureAdapters({ calls: 40, rounds: 1, concurrency: 10 });
    expect(Object.keys(rounds[0]!)).toEqual(["undici", "openai-compatible", "ollama", "openai", "anthropic"]);
    for (const cpuUs of Object.values(rounds[0]!)) expect(cpuUs).toBeGreaterThan(0);
    expect(figures).toMatchObject([
      { goal: "≤ 500", figure: expect.stringMatching(/^openai-compatible .*anthropic -?\d+$/) },
    ]);
  });

  test("online makes each call directly and through a server, and compares their medians", async () => {
    const { direct, online, limited, figures } = await measureOnline({ calls: 20, program });
    for (const times of [direct, online, limited]) expect(times).toHaveLength(20);
    expect(figures.map(({ goal }) => goal)).toEqual(["≤ 3", "≤ 3"]);
  });

  test("ask measures what several models at once cost above the slowest", async () => {
    const { aboveSlowestMs, withOpeningMs, figures } = await measureAsk({ questions: 5, latenciesMs: [5, 20] });
    expect(aboveSlowestMs).toHaveLength(5);
    for (const [at, above] of aboveSlowestMs.entries()) expect(above).toBeLessThan(withOpeningMs[at]!);
    expect(figures.map(({ goal }) => goal)).toEqual(["≤ 30", ""]);
  });

  test("slots takes the server's word for the share of its slots that was busy", async () => {
    const { busyShare, spanMs, peakInFlight } = await measureSlots({ program, rows: 60, slots: 4, latencyMs: 10 });
    expect(peakInFlight).toBe(4);
    expect(spanMs).toBeGreaterThan(60);
    expect(busyShare).toBeGreaterThan(0.3);
    expect(busyShare).toBeLessThanOrEqual(1);
  });

  test("memory measures the program, its Redis and the first answer on disk at two sizes", async () => {
    const { small, large, figures } = await measureMemory({ program, rows: 200, concurrency: 10 });
    expect([small.rows, large.rows]).toEqual([20, 200]);
    for (const size of [small, large]) {
      expect(size.programPeakRssMb).toBeGreaterThan(20);
      expect(size.redisPeakMb).toBeGreaterThan(0.5);
      expect(size.redisPeakRssMb).toBeGreaterThan(size.redisPeakMb);
      expect(size.firstAnswerMs).toBeGreaterThan(50);
    }
    expect(figures).toHaveLength(3);
  });

  test("profile finds the program's own stages and the packages it stands on", async () => {
    const { summary } = await measureProfile({ ...profileDefaults, program, rows: 300, concurrency: 10 });
    const modules = summary.modules.map(({ module }) => module);
    expect(modules).toEqual(expect.arrayContaining(["ioredis", "bullmq", "undici", "src/pool", "node"]));
  });

  test("serve measures an upload, an order and those who watch", async () => {
    const { figures } = await measureServe({
      program,
      megabytes: 6,
      lines: 2_000,
      batches: 2,
      seconds: 0.2,
      rounds: 1,
    });
    expect(figures.map(({ goal }) => goal)).toEqual(["≤ 1.25 ×", "≤ 1,000", "< 2 %"]);
    for (const { figure } of figures) expect(figure).not.toContain("NaN");
  });
});
