import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { horizonMs } from "../../src/pool/pace.ts";
import { createTurns, type TakeTurn } from "../../src/pool/take-turn.ts";
import { fleetNames } from "../../src/queue/names.ts";
import { question } from "../support/given-pace.ts";
import { withRedis } from "../support/redis-server.ts";
import { seededRandom } from "../support/simulated-answers.ts";

const server = withRedis();
const payload = '{"weight":[1,1,1,1]}';

/** What a busy machine makes late. */
const lateMs = 60;

/** A scope of which something has been kept for long, asked by rows and by online calls; when each started. */
async function givenScope(rpm: number, forMs: number) {
  const names = fleetNames(server.newFleetName());
  await server.client.hset(names.pace("lab"), { requests: Date.now(), keptSince: 1, keptUntil: Date.now() + 600_000 });
  const take: TakeTurn = createTurns(server.client, names, "some-process");
  const untilMs = performance.now() + forMs;
  const starts: number[] = [];

  /** As a pool does for rows, one after the other: sleeps as it is told, until each has its turn. */
  async function rows(): Promise<void> {
    for (let stood = false; performance.now() < untilMs; ) {
      const turn = await take({ terms: { ...question({ rpm }), stood }, callNumber: 1, payload });
      stood = turn.kind === "paced";
      const delayMs = turn.kind === "turn" ? turn.charge.delayMs : turn.delayMs;
      if (turn.kind === "turn") starts.push(performance.now() + delayMs);
      await sleep(delayMs);
    }
  }

  /** Asks again so long after each start; resolves with how long it waited each time. */
  async function caller(restMs: () => number): Promise<number[]> {
    const waits: number[] = [];
    while (performance.now() < untilMs) {
      const turn = await take({ terms: question({ rpm }), callNumber: 2, payload, onlineMs: 10_000 });
      if (turn.kind !== "turn") throw new Error("an online call was sent away");
      const { delayMs } = turn.charge;
      starts.push(performance.now() + delayMs);
      waits.push(delayMs);
      await sleep(delayMs + restMs());
    }
    return waits;
  }

  const perMs = (rpm - Math.max(1, rpm / 100)) / 60_000;
  return {
    rows: (count: number) => Promise.all(Array.from({ length: count }, rows)),
    caller,
    assertWindowsHold() {
      for (const windowMs of [forMs / 10, forMs / 3]) {
        const most = Math.max(
          ...starts.map((from) => starts.filter((at) => at >= from && at < from + windowMs).length),
        );
        // A bucket, and one that went ahead.
        const allowed = Math.floor(Math.max(1, rpm / 100) + 1 + perMs * (windowMs + lateMs));
        expect(most, `starts within ${windowMs} ms`).toBeLessThanOrEqual(allowed);
      }
    },
    usedShare: () => starts.length / forMs / perMs,
  };
}

describe("rows and online calls together", () => {
  it("never exceed the limit, and a caller who asks now and then never waits", async () => {
    const scope = await givenScope(1_200, 5_000);
    const random = seededRandom(3);
    const rows = scope.rows(20);
    await sleep(500);
    const waits = await scope.caller(() => horizonMs + 100 + random() * 200);
    await rows;
    expect(waits.length).toBeGreaterThan(4);
    expect(Math.max(...waits)).toBe(0);
    scope.assertWindowsHold();
    expect(scope.usedShare(), "of the limit").toBeGreaterThan(0.9);
  });

  it("never exceed it when callers ask all the time; they share it, and wait for it", async () => {
    const scope = await givenScope(120, 6_000);
    const rows = scope.rows(5);
    const waits = (await Promise.all([1, 2].map(() => scope.caller(() => 0)))).flat();
    await rows;
    expect(Math.max(...waits)).toBeLessThan(2_500);
    scope.assertWindowsHold();
  });
});
