import { expect, test } from "vitest";
import { withRedis } from "../support/redis-server.ts";
import { batchLines, givenBatchOf, givenServer, linesOfFile, startGivenServer, untilEnded } from "../support/serve.ts";
import { until } from "../support/until.ts";

const redis = withRedis();
const refused = { kind: "status", status: 400 } as const;

test("a failed row is asked again while its batch runs, also when that goes on elsewhere, and not once it has ended", async () => {
  const server = await givenServer(redis, {
    backend: {
      fault: ({ key }) => (key.startsWith("bad") ? refused : key.startsWith("slow") ? { kind: "stall" } : undefined),
    },
  });
  const { client, backend, context } = server;
  const { batches } = context;
  const { id } = await givenBatchOf(
    client,
    `${batchLines(3)}${batchLines(2, "bad")}${batchLines(1, "slow")}{"no": 1}\n`,
  );
  const outcomes = async () => {
    const found: Record<string, string> = {};
    for await (const result of batches.results(id)) found[result.id] = result.status;
    return found;
  };
  // What can be read from the disk is in the owner's books a moment later.
  const retry = (row: number) =>
    until(`row ${row} to be taken`, () =>
      batches.retryRow(id, row).then(
        () => true,
        () => false,
      ),
    );
  await until("all but the slow one to end", async () => Object.keys(await outcomes()).length === 6);

  await until("it to be in the books", () => batches.get(id)?.counts.failed === 3);
  await expect(batches.retryRow(id, 0)).rejects.toThrow("it was answered");
  await expect(batches.retryRow(id, 5)).rejects.toThrow("it has no result yet");
  await expect(batches.retryRow(id, 6)).rejects.toThrow("line 7");
  await expect(batches.retryRow(id, 99)).rejects.toThrow("no result");
  expect(backend.countsByKey.get("bad0")).toBe(1);

  await retry(3);
  await until("it to be asked again", () => backend.countsByKey.get("bad0") === 2);
  await until("it to have failed again", async () => (await outcomes()).bad0 === "failed");
  backend.setBehaviour({ fault: ({ key }) => (key.startsWith("slow") ? { kind: "stall" } : undefined) });
  await retry(3);
  await retry(4);
  await until("both to be answered", async () => {
    const { bad0, bad1 } = await outcomes();
    return bad0 === "answered" && bad1 === "answered";
  });
  await until("it to be counted", () => batches.get(id)?.counts.completed === 5);
  expect(batches.get(id)?.counts).toEqual({ total: 7, completed: 5, failed: 1 });

  await server.stop();
  backend.setBehaviour({ fault: undefined });
  const next = await startGivenServer(redis, server.config, { dataDirectory: server.dataDirectory });
  const ended = await untilEnded(next.client, id);
  expect(ended.request_counts).toEqual({ total: 7, completed: 6, failed: 1 });
  expect((await linesOfFile(next.client, ended.output_file_id)).map((line) => line.custom_id)).toEqual([
    ...["r0", "r1", "r2", "bad0", "bad1", "slow0"],
  ]);
  expect(Object.fromEntries(backend.countsByKey)).toMatchObject({ r0: 1, bad0: 3, bad1: 2 });
  await expect(next.context.batches.retryRow(id, 6)).rejects.toThrow("its output is final");
});
