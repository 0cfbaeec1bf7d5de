import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { Terms } from "../../src/pool/gate.ts";
import { horizonMs } from "../../src/pool/pace.ts";
import { type GivenProcess, givenBatch } from "../support/given-batch.ts";
import { chargeOf, feedWeighed, question } from "../support/given-pace.ts";
import { assertWindowNeverExceeds, type CountedStart } from "../support/laws.ts";
import { withRedis } from "../support/redis-server.ts";
import { seededRandom } from "../support/simulated-answers.ts";

const server = withRedis();

/** Asks for a row as a pool does, sleeping as it is told, until it has its turn; when it starts. */
async function start(process: GivenProcess, row: number, pace: Terms): Promise<CountedStart> {
  for (let stood = false; ; stood = true) {
    const verdict = await process.gate(row, { call: row + 1, pace: { ...pace, stood } });
    const askedMs = performance.now();
    if (verdict.kind === "paced") await sleep(verdict.delayMs);
    else {
      const { delayMs, inputTokens, outputTokens } = chargeOf(verdict);
      return { atMs: askedMs + delayMs, cost: inputTokens + outputTokens };
    }
  }
}

describe("seeded rows of mixed sizes from three processes", () => {
  it.each([1, 2])(
    "never exceed a window, and no row is overtaken for long (seed %i)",
    async (seed) => {
      const batch = await givenBatch(server);
      const random = seededRandom(seed);
      const perMinute = 6_000_000;
      const weights = Array.from({ length: 160 }, () => [Math.ceil(20 + 20_000 * random() ** 8), 0] as const);
      await feedWeighed(batch, weights);
      const pace = { ...question({ tpm: perMinute }), pace: [0, perMinute, 0, 0, "real", 1, 1, horizonMs] };
      const processes = [batch.owner, await batch.join("second"), await batch.join("third")];
      const startedMs = performance.now();
      const starts = await Promise.all(weights.map((_weight, row) => start(processes[row % 3]!, row, pace)));
      for (const windowMs of [200, 1_000]) assertWindowNeverExceeds(starts, perMinute, windowMs, 100);
      const total = starts.reduce((sum, { cost }) => sum + cost, 0);
      const tookMs = Math.max(...starts.map(({ atMs }) => atMs)) - startedMs;
      expect(total / tookMs, "tokens per ms, of 100").toBeGreaterThan(90);
    },
    60_000,
  );
});
