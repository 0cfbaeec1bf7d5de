import { expect, test } from "vitest";
import { unsettled } from "../support/laws.ts";
import { batchLines, givenBatchOf, givenServeProcess, linesOfFile, untilEnded } from "../support/serve.ts";
import { until } from "../support/until.ts";

const rows = 120;
const slots = 8;

test("three batches survive a SIGKILL of the server in the middle, each row with one result", async () => {
  const server = await givenServeProcess({ backend: { latencyMs: 40 }, concurrency: slots });
  const { backend } = server.project;
  const batches = await Promise.all(
    ["a", "b", "c"].map((prefix) => givenBatchOf(server.client, batchLines(rows, prefix))),
  );
  await until("a part to be asked", () => backend.requests() > rows / 2);
  server.process.signal("SIGKILL");
  await server.process.ended;

  const again = await server.startAgain();
  for (const [number, { id }] of batches.entries()) {
    const ended = await untilEnded(again.client, id, 60_000);
    expect(ended).toMatchObject({ status: "completed", request_counts: { total: rows, completed: rows, failed: 0 } });
    const output = await linesOfFile(again.client, ended.output_file_id);
    const prefix = "abc"[number];
    expect(output.map((line) => line.custom_id)).toEqual(Array.from({ length: rows }, (_, row) => `${prefix}${row}`));
  }
  expect(backend.requests() - 3 * rows, "calls that were made again").toBeLessThanOrEqual(unsettled(slots));
}, 90_000);
