import { describe, expect, it, onTestFinished } from "vitest";
import { givenFleetConfig } from "../support/given-config.ts";
import { type GivenRun, givenRows, startRun } from "../support/given-run.ts";
import { assertNothingLeft } from "../support/laws.ts";
import { withRedis } from "../support/redis-server.ts";
import { type SimulatedBackend, startSimulatedBackend } from "../support/simulated-backend.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const server = withRedis();

interface Middle {
  readonly run: GivenRun;
  readonly backend: SimulatedBackend;
}

async function runInTheMiddle(latencyMs = 20, rowCount = 1_500): Promise<Middle> {
  const backend = await startSimulatedBackend({ latencyMs });
  onTestFinished(() => backend.close());
  const run = await startRun({
    server,
    config: givenFleetConfig(server.newFleetName(), { lab: backend }),
    folder: temporaryFolder(),
    rows: givenRows(rowCount),
  });
  await until("a third of the answers", () => run.answered() > rowCount / 3);
  return { run, backend };
}

async function finishWhole({ run }: Middle): Promise<void> {
  const results = await run.finish(true);
  expect(results.filter(({ status }) => status !== "answered")).toEqual([]);
  await assertNothingLeft(server.client, run.fleet.names.queuePrefix.slice(1, -1));
}

describe("a Redis that stays but", () => {
  it("emptied by hand while it runs: the run ends whole", async () => {
    const middle = await runInTheMiddle();
    await server.client.flushall();
    await finishWhole(middle);
  });

  it("has no memory left for a while: the run waits, says why, and ends whole", async () => {
    const middle = await runInTheMiddle();
    await server.client.config("SET", "maxmemory", "1mb");
    expect(await until("the reason", () => middle.run.fleet.redisTrouble())).toMatch(/^OOM/);
    await until("calls in flight to end", () => middle.backend.inFlight === 0);
    await server.client.config("SET", "maxmemory", "0");
    await finishWhole(middle);
    expect(middle.backend.requests()).toBe(1_500);
  });

  it("loses the jobs of a queue to somebody's hand: they are found missing and queued again", async () => {
    const backend = await startSimulatedBackend({ fault: { kind: "status", status: 500 } });
    onTestFinished(() => backend.close());
    const run = await startRun({
      server,
      config: givenFleetConfig(server.newFleetName(), { lab: backend }),
      folder: temporaryFolder(),
      rows: givenRows(100),
    });
    await until("the tier to be paused", () => run.fleet.pools()[0]?.pool.waitReason());
    await run.fleet.queues.of("lab").obliterate({ force: true });
    backend.setBehaviour({ fault: undefined });
    await finishWhole({ run, backend });
  });

  it("frozen for longer than a job's lock: the run ends whole", async () => {
    const middle = await runInTheMiddle();
    server.signal("SIGSTOP");
    await until("calls in flight to end", () => middle.backend.inFlight === 0);
    const frozenAtMs = Date.now();
    await until("ten seconds to pass", () => Date.now() - frozenAtMs > 10_000);
    server.signal("SIGCONT");
    await finishWhole(middle);
  });
});
