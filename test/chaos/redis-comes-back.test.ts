import { describe, expect, it, onTestFinished } from "vitest";
import { givenFleetConfig } from "../support/given-config.ts";
import { type GivenRun, givenRows, startRun } from "../support/given-run.ts";
import { assertNothingLeft } from "../support/laws.ts";
import { withRedis } from "../support/redis-server.ts";
import { type SimulatedBackend, startSimulatedBackend } from "../support/simulated-backend.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const server = withRedis();
const concurrency = 16;

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

/** Until each row in flight is in the middle of its call and all answers so far are on disk. */
async function betweenAnswers({ run, backend }: Middle): Promise<void> {
  const { results } = run.fleet.names.batch(run.batchId);
  await until("a moment between the answers", async () => {
    const { answered, inFlight } = backend.stats();
    return inFlight === concurrency && answered === run.answered() && (await server.client.xlen(results)) === 0;
  });
}

describe("a Redis that goes away in the middle of a run", () => {
  it("and comes back with everything: the run ends whole", async () => {
    const middle = await runInTheMiddle();
    await server.shutDown();
    await until("the reason to be shown", () => middle.run.fleet.redisTrouble());
    await until("calls in flight to end", () => middle.backend.inFlight === 0);
    await server.start();
    await until("the reason to be gone", () => middle.run.fleet.redisTrouble() === undefined);
    await finishWhole(middle);
  });

  it("killed, with what it had not yet synced lost: the run ends whole", async () => {
    const middle = await runInTheMiddle();
    await server.kill();
    await server.start();
    await finishWhole(middle);
  });

  it("and comes back empty: the run ends whole", async () => {
    const middle = await runInTheMiddle();
    await server.kill();
    server.wipe();
    await server.start();
    await finishWhole(middle);
  });

  it("twice, empty each time: the run ends whole", async () => {
    const middle = await runInTheMiddle();
    for (const part of [0.5, 0.75]) {
      await until("more answers", () => middle.run.answered() > 1_500 * part);
      await server.kill();
      server.wipe();
      await server.start();
    }
    await finishWhole(middle);
  });

  it.each(["with everything", "empty"])(
    "keeps answers that come meanwhile: back %s, no row is asked twice",
    async (how) => {
      const middle = await runInTheMiddle(300, 200);
      await betweenAnswers(middle);
      await server.shutDown();
      if (how === "empty") server.wipe();
      await until("the answers to come", () => middle.backend.inFlight === 0);
      await server.start();
      await finishWhole(middle);
      expect(middle.backend.requests()).toBe(200);
    },
  );

  it("and comes back empty while calls are in flight: no row is asked twice", async () => {
    const middle = await runInTheMiddle(2_000, 48);
    await betweenAnswers(middle);
    await server.kill();
    server.wipe();
    await server.start();
    await finishWhole(middle);
    expect(middle.backend.requests()).toBe(48);
  });
});
