import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { horizonMs } from "../../src/pool/pace.ts";
import { createTurns, type TakeTurn } from "../../src/pool/take-turn.ts";
import { fleetNames } from "../../src/queue/names.ts";
import { question } from "../support/given-pace.ts";
import type { CountedStart } from "../support/laws.ts";
import { withRedis } from "../support/redis-server.ts";
import { seededRandom } from "../support/simulated-answers.ts";

const server = withRedis();
const rpm = 1_200;
const expensive = '{"weight":[1,1,1,1]';

/** As a pool does for a row: sleeps as it is told, until it has its turn. */
async function startRow(take: TakeTurn): Promise<CountedStart> {
  for (let stood = false; ; stood = true) {
    const turn = await take({ terms: { ...question({ rpm }), stood }, callNumber: 1, payload: expensive });
    const askedMs = performance.now();
    if (turn.kind === "turn") return { atMs: askedMs + turn.charge.delayMs, cost: 1 };
    await sleep(turn.delayMs);
  }
}

it("rows and online calls together never exceed the limit, and a caller who asks now and then never waits", async () => {
  const names = fleetNames(server.newFleetName());
  const soon = Date.now() + 600_000;
  await server.client.hset(names.pace("lab"), { requests: Date.now(), keptSince: 1, keptUntil: soon });
  const take = createTurns(server.client, names, "some-process");
  const starts: CountedStart[] = [];
  const waits: number[] = [];
  const untilMs = performance.now() + 5_000;
  const random = seededRandom(3);
  const row = async () => {
    while (performance.now() < untilMs) {
      const start = await startRow(take);
      starts.push(start);
      await sleep(Math.max(0, start.atMs - performance.now()));
    }
  };
  const caller = async (restMs: () => number) => {
    while (performance.now() < untilMs) {
      const turn = await take({ terms: question({ rpm }), callNumber: 2, payload: expensive, onlineMs: 10_000 });
      if (turn.kind !== "turn") throw new Error("an online call was sent away");
      starts.push({ atMs: performance.now() + turn.charge.delayMs, cost: 1 });
      waits.push(turn.charge.delayMs);
      await sleep(turn.charge.delayMs + restMs());
    }
  };
  const rows = Promise.all(Array.from({ length: 20 }, row));
  await sleep(500);
  await caller(() => horizonMs + 100 + random() * 200);
  await rows;
  expect(waits.length).toBeGreaterThan(4);
  expect(Math.max(...waits)).toBe(0);
  const perMs = (rpm - rpm / 100) / 60_000;
  for (const windowMs of [500, 2_000]) {
    const sorted = starts.map(({ atMs }) => atMs).sort((one, other) => one - other);
    const most = Math.max(...sorted.map((from) => sorted.filter((at) => at >= from && at < from + windowMs).length));
    // A bucket, one that went ahead, and what a busy machine makes late.
    expect(most, `within ${windowMs} ms`).toBeLessThanOrEqual(Math.ceil(rpm / 100 + 1 + perMs * (windowMs + 60)));
  }
  expect(starts.length / 5_000 / perMs, "share of the limit that was used").toBeGreaterThan(0.9);
});
