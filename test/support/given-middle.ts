import { expect } from "vitest";
import { givenBackend } from "./given-backend.ts";
import { givenFleetConfig } from "./given-config.ts";
import { type GivenRun, givenRows, startRun } from "./given-run.ts";
import { assertNothingLeft } from "./laws.ts";
import { givenRedis, type TestRedis } from "./redis-server.ts";
import type { SimulatedBackend } from "./simulated-backend.ts";
import { temporaryFolder } from "./temporary-folder.ts";
import { until } from "./until.ts";

const slots = 16;

/** A run that has a third of its answers, on a Redis of its own that the test may ill-treat. */
export interface Middle {
  readonly server: TestRedis;
  readonly run: GivenRun;
  readonly backend: SimulatedBackend;
  readonly rowCount: number;
}

/** With 16 slots at a SIMULATED backend. */
export async function runInTheMiddle(latencyMs = 20, rowCount = 1_500): Promise<Middle> {
  const server = await givenRedis();
  const backend = await givenBackend({ latencyMs });
  const run = await startRun({
    server,
    config: givenFleetConfig(server.newFleetName(), { lab: backend }),
    folder: temporaryFolder(),
    rows: givenRows(rowCount),
  });
  await until("a third of the answers", () => run.answered() > rowCount / 3);
  return { server, run, backend, rowCount };
}

/** Until each row in flight is in the middle of its call and all answers so far are on disk. */
export async function betweenAnswers({ server, run, backend }: Middle): Promise<void> {
  const { results } = run.fleet.names.batch(run.batchId);
  await until("a moment between the answers", async () => {
    const { answered, inFlight } = backend.stats();
    return inFlight === slots && answered === run.answered() && (await server.client.xlen(results)) === 0;
  });
}

/** Every row answered, once; nothing left in Redis. */
export async function finishWhole({ server, run }: Middle): Promise<void> {
  const results = await run.finish(true);
  expect(results.filter(({ status }) => status !== "answered")).toEqual([]);
  await assertNothingLeft(server.client, run.fleet.config.fleet);
}
