import { describe, expect, it } from "vitest";
import { givenBatch } from "../support/given-batch.ts";
import { feedWeighed, question, settlementOf } from "../support/given-pace.ts";
import { withRedis } from "../support/redis-server.ts";
import { seededRandom } from "../support/simulated-answers.ts";

const server = withRedis();
const [inputPrice, outputPrice] = [1_000, 2_000];

/**
 * Law 5: four processes ask rows of random size, whose calls cost anything up to their bound; some fail, of some nobody
 * learns the end, and processes die with calls in flight. What the provider really bills never passes the budget.
 */
describe("seeded runs of four processes with failures and deaths", () => {
  it.each(Array.from({ length: 10 }, (_, seed) => seed + 1))(
    "never spend more than the budget (seed %i)",
    async (seed) => {
      const batch = await givenBatch(server);
      const random = seededRandom(seed);
      const below = (limit: number) => Math.floor(random() * limit);
      const weights = Array.from({ length: 120 }, () => [1, 1 + below(200)] as const);
      await feedWeighed(batch, weights, 150);
      const boundOf = (row: number) => 150 * inputPrice + weights[row]![1] * outputPrice;
      const all = weights.reduce((sum, _weight, row) => sum + boundOf(row), 0);
      const budget = Math.floor(all * (0.2 + 0.6 * random()));
      await batch.redis.hset(batch.keys.batch, "hasBudget", "1");
      await batch.redis.hset(batch.keys.spend, "budget", budget);

      const processes = [batch.owner, ...(await Promise.all(["a", "b", "c", "d"].map((id) => batch.join(id))))];
      const alive = new Set(processes);
      const inFlight: { readonly by: (typeof processes)[number]; readonly row: number; readonly call: number }[] = [];
      let calls = 0;
      let billed = 0;
      const terms = { ...question({}), budget: ["1", "", inputPrice, outputPrice, 100] };
      const waiting = weights.map((_weight, row) => row);

      for (let step = 0; step < 900; step++) {
        const what = random();
        const by = [...alive][below(alive.size)]!;
        if (what < 0.5 && waiting.length > 0) {
          const row = waiting.shift()!;
          const verdict = await by.gate(row, { call: ++calls, pace: terms });
          if (verdict.kind === "admitted") {
            inFlight.push({ by, row, call: calls });
            billed += below(boundOf(row) + 1);
          } else waiting.push(row);
        } else if (what < 0.98 && inFlight.length > 0) {
          const [{ by: caller, row, call }] = inFlight.splice(below(inFlight.length), 1) as [(typeof inFlight)[number]];
          if (!alive.has(caller)) {
            waiting.push(row);
            continue;
          }
          // The provider has billed something; half of the ends tell how much: here all of the bound.
          const isKnown = random() < 0.8;
          const settlement = settlementOf({}, { costUsd: isKnown ? boundOf(row) / 1e9 : undefined });
          const again = random() < 0.2;
          await caller.act(
            row,
            call,
            again ? { kind: "release", countsAttempt: true } : { kind: "record", line: "{}" },
            0,
            settlement,
          );
          if (again) waiting.push(row);
        } else if (what >= 0.98 && alive.size > 2 && by !== batch.owner) {
          alive.delete(by);
          await batch.redis.zadd(batch.names.processes, 1, by.id);
        }
        const [spent, reserved] = await batch.redis.hmget(batch.keys.spend, "spent", "reserved");
        expect(Number(spent) + Number(reserved)).toBeLessThanOrEqual(budget);
        expect(billed).toBeLessThanOrEqual(Number(spent) + Number(reserved));
      }
      expect(calls).toBeGreaterThan(100);
    },
  );
});
