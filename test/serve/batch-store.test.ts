import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { BatchRecord } from "../../src/serve/batch-record.ts";
import { openBatchStore } from "../../src/serve/batch-store.ts";
import { withRedis } from "../support/redis-server.ts";
import { batchLines, givenBatchOf, givenServer, untilEnded } from "../support/serve.ts";

const redis = withRedis();

test("a batch that has ended is not read again, one that goes on is, and one that was removed is gone", async () => {
  const server = await givenServer(redis);
  const { id } = await untilEnded(server.client, (await givenBatchOf(server.client, batchLines(2))).id);
  await server.stop();
  const directory = join(server.dataDirectory, "serve", "batches");
  const path = join(directory, id, "BATCH.json");
  const record = JSON.parse(readFileSync(path, "utf8")) as BatchRecord;
  const store = openBatchStore(directory);

  store.write({ ...record, status: "in_progress", paused: false });
  expect(store.read(id)?.paused).toBe(false);
  store.write({ ...record, status: "in_progress", paused: true });
  expect(store.read(id)?.paused).toBe(true);

  store.write(record);
  expect(store.read(id)?.status).toBe("completed");
  writeFileSync(path, "no record");
  expect(store.read(id)?.status).toBe("completed");
  rmSync(join(directory, id), { recursive: true });
  expect(store.read(id)).toBeUndefined();
});
