import { describe, expect, it, onTestFinished } from "vitest";
import { processTimeoutMs } from "../../src/job/heartbeat.ts";
import { createMembership, type Membership } from "../../src/pool/membership.ts";
import { connectRedis } from "../../src/queue/connection.ts";
import { type FleetNames, fleetNames } from "../../src/queue/names.ts";
import { idleTier } from "../support/given-batch.ts";
import { withRedis } from "../support/redis-server.ts";

const server = withRedis();

function join(names: FleetNames, id: string, tiers: readonly string[], onBeat = () => {}): Membership {
  const redis = connectRedis(server.address, "test");
  const say = () => ({ tiers: Object.fromEntries(tiers.map((tier) => [tier, idleTier])), failures: [], rows: {} });
  const membership = createMembership(redis, names, id, say, onBeat);
  onTestFinished(async () => {
    await membership.leave();
    redis.disconnect();
  });
  return membership;
}

/** As if it had last beaten so long ago. */
async function age(names: FleetNames, id: string, byMs: number): Promise<void> {
  await server.client.zincrby(names.processes, -byMs, id);
}

describe("the processes of a fleet", () => {
  it("know who else works a tier, in the same order everywhere", async () => {
    const names = fleetNames(server.newFleetName());
    const [b, a] = [join(names, "b", ["lab", "cloud"]), join(names, "a", ["lab"])];
    await b.beat();
    await a.beat();
    await b.beat();
    expect(a.membersOf("lab")).toEqual(["a", "b"]);
    expect(b.membersOf("lab")).toEqual(["a", "b"]);
    expect(a.membersOf("cloud")).toEqual(["b"]);
    expect(a.membersOf("other")).toEqual([]);
  });

  it("do not count one that has not beaten for as long as a dead process may be silent", async () => {
    const names = fleetNames(server.newFleetName());
    const [a, b] = [join(names, "a", ["lab"]), join(names, "b", ["lab"])];
    await b.beat();
    await age(names, "b", processTimeoutMs - 1_000);
    await a.beat();
    expect(a.membersOf("lab")).toEqual(["a", "b"]);
    await age(names, "b", 2_000);
    await a.beat();
    expect(a.membersOf("lab")).toEqual(["a"]);
  });

  it("forget one that is long dead altogether", async () => {
    const names = fleetNames(server.newFleetName());
    const [a, b] = [join(names, "a", ["lab"]), join(names, "b", ["lab"])];
    await b.beat();
    await age(names, "b", processTimeoutMs * 11);
    await a.beat();
    expect(await server.client.zrange(names.processes, "0", "-1")).toEqual(["a"]);
    expect(await server.client.hkeys(names.pools)).toEqual(["a"]);
  });

  it("are told after each beat, and sign off at once when they leave", async () => {
    const names = fleetNames(server.newFleetName());
    let beats = 0;
    const a = join(names, "a", ["lab"], () => beats++);
    const b = join(names, "b", ["lab"]);
    await a.beat();
    await b.beat();
    expect(beats).toBe(1);
    await b.leave();
    await a.beat();
    expect(beats).toBe(2);
    expect(a.membersOf("lab")).toEqual(["a"]);
  });

  it("are declared dead by the only one that can be alive on its Redis", async () => {
    const names = fleetNames(server.newFleetName());
    const [a, b, c] = [join(names, "a", ["lab"]), join(names, "b", ["lab"]), join(names, "c", ["lab"])];
    for (const one of [a, b, c]) await one.beat();
    await a.buryOthers();
    expect(await server.client.zrange(names.processes, "0", "-1")).toEqual(["a"]);
    await a.beat();
    expect(a.membersOf("lab")).toEqual(["a"]);
  });
});
