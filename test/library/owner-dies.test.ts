import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { ConfigFile } from "../../src/config/schema.ts";
import { type FleetNames, fleetNames } from "../../src/queue/names.ts";
import { withRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";
import { givenFleet } from "./given-fleet.ts";

const server = withRedis();
let redis: string;
beforeAll(async () => {
  redis = await server.listenOnPort();
});

const library = fileURLToPath(new URL("../../src/index.ts", import.meta.url));
/** Enqueues rows without working a tier, and prints the ids of their results. */
const program = `
import { createFleet } from ${JSON.stringify(library)};
const fleet = await createFleet({ ...JSON.parse(process.argv[1]), tiers: [] });
const rows = Array.from({ length: 20 }, (_, row) => ({ id: "r" + row, prompt: "about #r" + row }));
for await (const { id, status } of fleet.run(rows)) console.log(id, status);
await fleet.close();
`;

/** A process of its own whose rows lie in the queue, not asked by anybody yet. */
async function startProducer(config: ConfigFile, fleet: string) {
  const args = ["--input-type=module", "-e", program, JSON.stringify({ config, redis, fleet })];
  const child: ChildProcess = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  let stdout = "";
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  const names = fleetNames(fleet);
  await until("its rows to lie in the queue", async () => {
    return (await server.client.llen(`${names.queuePrefix}:lab:wait`)) === 20;
  });
  const [batchId] = await server.client.smembers(names.openBatches);
  return { child, names, batchId: batchId!, stdout: () => stdout };
}

/** As if its last heartbeat were so old that it is taken for gone for good. */
async function ageHeartbeat(names: FleetNames, batchId: string): Promise<void> {
  const owner = await server.client.hget(names.batch(batchId).batch, "owner");
  await server.client.zadd(names.processes, 1, owner!);
}

const batchKeysWithoutEnd = async (names: FleetNames, batchId: string): Promise<string[]> => {
  const keys = await server.client.keys(`${names.batch(batchId).batch}*`);
  const ttls = await Promise.all(keys.map((key) => server.client.ttl(key)));
  return keys.filter((_key, at) => ttls[at] === -1);
};

describe("a process of the library that is killed", () => {
  it("leaves nothing in Redis once it is long gone, and its rows are asked for nobody", async () => {
    const { config, open, backend } = await givenFleet();
    const fleet = server.newFleetName();
    const { child, names, batchId } = await startProducer(config, fleet);
    child.kill("SIGKILL");
    await ageHeartbeat(names, batchId);
    await open({ redis, fleet, tiers: ["lab"] });
    await until("its batch to be forgotten", async () => {
      return (await server.client.sismember(names.openBatches, batchId)) === 0;
    });
    await until("its jobs to be dropped", async () => {
      return (await server.client.llen(`${names.queuePrefix}:lab:wait`)) === 0;
    });
    expect(await batchKeysWithoutEnd(names, batchId)).toEqual([]);
    expect(backend.requests()).toBe(0);
  });

  it("and was only frozen gets all its results when it wakes", async () => {
    const { config, open } = await givenFleet();
    const fleet = server.newFleetName();
    const { child, names, batchId, stdout } = await startProducer(config, fleet);
    child.kill("SIGSTOP");
    await ageHeartbeat(names, batchId);
    await open({ redis, fleet, tiers: ["lab"] });
    await until("its batch to be forgotten", async () => {
      return (await server.client.sismember(names.openBatches, batchId)) === 0;
    });
    child.kill("SIGCONT");
    await until("all its results", () => stdout().split("\n").length > 20, 25_000);
    const lines = stdout().trimEnd().split("\n");
    const expected = Array.from({ length: 20 }, (_, row) => `r${row} answered`);
    expect(lines.toSorted()).toEqual(expected.toSorted());
  });
});
