import { describe, expect, it } from "vitest";
import type { Lease } from "../../src/pool/gate.ts";
import { createTurns } from "../../src/pool/take-turn.ts";
import { fleetNames } from "../../src/queue/names.ts";
import { type GivenBatch, type GivenProcess, givenBatch } from "../support/given-batch.ts";
import { feedWeighed, question, settlementOf } from "../support/given-pace.ts";
import { withRedis } from "../support/redis-server.ts";

const server = withRedis();

/** A process with its count of calls, as a pool keeps it. */
function holder(process: GivenProcess, most: number) {
  const lease: Lease = { most, held: 0 };
  return {
    async ask(row: number): Promise<boolean> {
      lease.held++;
      const verdict = await process.gate(row, { call: row + 1, pace: { ...question({}), lease } });
      if (verdict.kind !== "admitted") lease.held--;
      return verdict.kind === "admitted";
    },
    settle(row: number): Promise<boolean> {
      lease.held--;
      const settlement = settlementOf({}, { held: () => lease.held });
      return process.act(row, row + 1, { kind: "record", line: "{}" }, 0, settlement);
    },
  };
}

const rowsOf = async (batch: GivenBatch, count: number) => {
  await feedWeighed(batch, Array(count).fill([1, 1]));
  return Array.from({ length: count }, (_, row) => row);
};

describe("the calls of a tier over all processes", () => {
  it("are never more than its maxConcurrency, in whatever order processes ask and settle", async () => {
    const batch = await givenBatch(server);
    const rows = await rowsOf(batch, 60);
    const holders = [batch.owner, await batch.join("second"), await batch.join("third")].map((one) => holder(one, 7));
    let inFlight = 0;
    let most = 0;
    const waiting = rows.map((row) => ({ row, by: holders[row % 3]! }));
    while (waiting.length > 0) {
      const asked = waiting.splice(0, 12);
      const admitted = await Promise.all(
        asked.map(async (one) => {
          if (!(await one.by.ask(one.row))) return false;
          most = Math.max(most, ++inFlight);
          return true;
        }),
      );
      waiting.push(...asked.filter((_one, at) => !admitted[at]));
      const toSettle = asked.filter((_one, at) => admitted[at]);
      inFlight -= toSettle.length;
      await Promise.all(toSettle.map(({ row, by }) => by.settle(row)));
    }
    expect(most).toBe(7);
  });

  it("are free again at once when the process that holds them is dead", async () => {
    const batch = await givenBatch(server);
    await rowsOf(batch, 4);
    const dead = await batch.join("dead");
    const [one, other] = [holder(dead, 2), holder(batch.owner, 2)];
    expect(await one.ask(0)).toBe(true);
    expect(await one.ask(1)).toBe(true);
    expect(await other.ask(2)).toBe(false);
    await batch.redis.zadd(batch.names.processes, 1, "dead");
    expect(await other.ask(2)).toBe(true);
    expect(await other.ask(3)).toBe(true);
    expect(await batch.redis.hgetall(batch.names.leases("lab"))).toEqual({ owner: "2" });
    expect(await batch.redis.pttl(batch.names.leases("lab"))).toBeGreaterThan(86_000_000);
  });

  it("are counted with those of calls that no batch holds, of the living only", async () => {
    const names = fleetNames(server.newFleetName());
    const take = createTurns(server.client, names, "asker");
    const askHolding = (held: number) =>
      take({ terms: { ...question({}), lease: { most: 3, held } }, callNumber: held, payload: '{"weight":[1,1,1,1]}' });
    await server.client.zadd(names.processes, Date.now(), "other", 1, "dead");
    await server.client.hset(names.leases("lab"), { other: 2, dead: 5 });
    expect((await askHolding(1)).kind).toBe("turn");
    expect(await server.client.hgetall(names.leases("lab"))).toEqual({ other: "2", asker: "1" });
    expect(await askHolding(2)).toMatchObject({ kind: "paced", reason: "slots", isPause: false });
  });

  it("cost rows of tiers without maxConcurrency nothing, with limits or without: no key is written", async () => {
    const batch = await givenBatch(server);
    await rowsOf(batch, 2);
    await batch.owner.gate(0);
    expect(await holder(batch.owner, 0).ask(1)).toBe(true);
    expect(await batch.redis.exists(batch.names.leases("lab"))).toBe(0);
  });
});
