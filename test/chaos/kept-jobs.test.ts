import { expect, it } from "vitest";
import { givenBackend } from "../support/given-backend.ts";
import { givenFleetConfig } from "../support/given-config.ts";
import { givenRows, startRun } from "../support/given-run.ts";
import { assertNothingLeft } from "../support/laws.ts";
import { withRedis } from "../support/redis-server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const server = withRedis();

it("of a long batch its last hundred jobs are kept for the board, and nothing else without an end", async () => {
  const fleet = server.newFleetName();
  // Slow enough for a job of its own for each row.
  const backend = await givenBackend({ latencyMs: 150 });
  const config = givenFleetConfig(fleet, { lab: backend });
  const run = await startRun({ server, config, folder: temporaryFolder(), rows: givenRows(400) });
  const { wait } = run.fleet.names.queue("lab");
  const [completed, failed] = ["completed", "failed"].map((set) => wait.replace(/wait$/, set)) as [string, string];
  await run.finish(true);
  expect(await server.client.zcard(completed)).toBe(100);
  expect(await server.client.zcard(failed)).toBe(0);
  await assertNothingLeft(server.client, fleet);
});
