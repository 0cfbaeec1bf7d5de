import { expect, it } from "vitest";
import { givenBackend } from "../support/given-backend.ts";
import { givenFleetConfig } from "../support/given-config.ts";
import { givenRows, startRun } from "../support/given-run.ts";
import { type PoolProcess, startPoolProcess } from "../support/pool-process.ts";
import { withRedis } from "../support/redis-server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const server = withRedis();
const rowCount = 120;

it("a row that kills its process fails at the fourth time, alone for the last two; no other row fails", async () => {
  let pool: PoolProcess | undefined;
  const inFlightAtKill: number[] = [];
  const backend = await givenBackend({
    latencyMs: 30,
    fault({ key }) {
      if (key !== "r40") return undefined;
      inFlightAtKill.push(backend.inFlight);
      pool?.signal("SIGKILL");
      return { kind: "stall" };
    },
  });
  const fleet = server.newFleetName();
  const config = givenFleetConfig(fleet, { lab: backend });
  const run = await startRun({
    server,
    config,
    folder: temporaryFolder(),
    rows: givenRows(rowCount),
    withPools: false,
  });

  /** Redis is told at once what it would find out by itself when heartbeat and locks run out. */
  async function buryTheDead(): Promise<void> {
    const { processes, queuePrefix } = run.fleet.names;
    for (const id of await server.client.zrange(processes, "0", "-1")) {
      if (id !== run.fleet.processId) await server.client.zadd(processes, 1, id);
    }
    const locks = await server.client.keys(`${queuePrefix}:lab:*:lock`);
    if (locks.length > 0) await server.client.unlink(locks);
  }

  for (let kill = 1; kill <= 4; kill++) {
    pool = await startPoolProcess(server, fleet, { lab: backend });
    await pool.ended;
    expect(inFlightAtKill.length).toBe(kill);
    await until("its calls to be gone", () => backend.inFlight === 0);
    await buryTheDead();
  }
  await startPoolProcess(server, fleet, { lab: backend });
  const results = await run.finish();
  expect(results.filter(({ status }) => status !== "answered").map(({ id, error }) => [id, error?.code])).toEqual([
    ["r40", "worker_crashed"],
  ]);
  expect(results[40]).toMatchObject({ attempts: 4 });
  expect(inFlightAtKill[0]).toBeGreaterThan(1);
  expect(inFlightAtKill.slice(2)).toEqual([1, 1]);
}, 90_000);
