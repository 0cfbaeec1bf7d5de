import { expect, it } from "vitest";
import { afterTests } from "../support/clean-up.ts";
import { givenBackend } from "../support/given-backend.ts";
import { givenFleetConfig } from "../support/given-config.ts";
import { givenRows, startRun } from "../support/given-run.ts";
import { withRedis } from "../support/redis-server.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const server = withRedis();
const rows = 300;

it("calls that a cut line took away are asked again and counted so, for the backend may have answered them for nothing", async () => {
  const backend = await givenBackend({ latencyMs: 30 });
  const way = await startTcpProxy(backend.port);
  afterTests(() => way.close());
  const config = givenFleetConfig(server.newFleetName(), { lab: { baseUrl: `http://127.0.0.1:${way.port}/v1` } });
  const run = await startRun({ server, config, folder: temporaryFolder(), rows: givenRows(rows) });
  await until("the middle of the run", () => run.answered() > rows / 3);
  await until("full slots", () => backend.inFlight === 16);
  way.cut();
  await until("a reason to wait", () => run.fleet.pools()[0]?.pool.waitReason());
  way.mend();
  await run.batch.finished;
  const askedAgain = await run.fleet.claims.readAskedAgain(run.batchId);
  const results = await run.finish();
  expect(results.filter(({ status }) => status !== "answered")).toEqual([]);
  expect(backend.requests() - rows).toBeGreaterThan(0);
  expect(askedAgain).toBeGreaterThanOrEqual(backend.requests() - rows);
  // Those in flight, and one that the first trial may have lost.
  expect(askedAgain).toBeLessThanOrEqual(17);
});
