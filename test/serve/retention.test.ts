import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { expect, it, onTestFinished, vi } from "vitest";
import { buildConfig } from "../../src/config/build.ts";
import type { BatchRecord } from "../../src/serve/batch-record.ts";
import type { FileRecord } from "../../src/serve/files.ts";
import { openFiles } from "../../src/serve/open-files.ts";
import { withRedis } from "../support/redis-server.ts";
import { batchLines, givenBatchOf, givenServer, startGivenServer, untilEnded, uploadLines } from "../support/serve.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const redis = withRedis();
const dayMs = 86_400_000;

/** A stopped server's data: what each thing is, how old, and whether it is still there. */
async function givenOldData(serve: { retention?: string } = {}) {
  const server = await givenServer(redis, { config: { serve } });
  const { client, backend, dataDirectory } = server;
  const old = await untilEnded(client, (await givenBatchOf(client, batchLines(2))).id);
  const young = await untilEnded(client, (await givenBatchOf(client, batchLines(2))).id);
  const unread = await uploadLines(client, batchLines(1));
  const withOwnTime = await uploadLines(client, batchLines(1));
  backend.setBehaviour({ latencyMs: 120_000 });
  const open = await givenBatchOf(client, batchLines(1));
  await until("the open batch to be asked", () => backend.inFlight === 1);
  await server.stop();

  const pathOf = (id: string) => join(dataDirectory, "serve", id.startsWith("batch_") ? "batches" : "files", id);
  function change<What>(id: string, name: string, changed: (record: What) => Partial<What>): void {
    const path = join(pathOf(id), name);
    const record = JSON.parse(readFileSync(path, "utf8")) as What;
    writeFileSync(path, JSON.stringify({ ...record, ...changed(record) }));
  }
  const createdAtMs = Date.now() - 31 * dayMs;
  for (const id of [old.id, open.id]) {
    change<BatchRecord>(id, "BATCH.json", ({ reachedAtMs }) => ({
      createdAtMs,
      expiresAtMs: Date.now() + dayMs,
      reachedAtMs: Object.fromEntries(Object.keys(reachedAtMs).map((status) => [status, createdAtMs])),
    }));
  }
  // Ordered long ago, and ended today.
  change<BatchRecord>(young.id, "BATCH.json", () => ({ createdAtMs }));
  for (const id of [old.input_file_id, old.output_file_id!, open.input_file_id, unread])
    change<FileRecord>(id, "about.json", () => ({ createdAtMs }));
  change<FileRecord>(withOwnTime, "about.json", () => ({ createdAtMs, expiresAtMs: Date.now() + dayMs }));

  return {
    old: [old.id, old.input_file_id, old.output_file_id!, unread],
    kept: [young.id, young.input_file_id, young.output_file_id!, open.id, open.input_file_id, withOwnTime],
    there: (ids: readonly string[]) => ids.filter((id) => existsSync(pathOf(id))),
    startAgain: () => startGivenServer(redis, server.config, { dataDirectory }),
  };
}

it("what ended more than 30 days ago is removed at the start, and nothing that is younger, read or has its own time", async () => {
  const { old, kept, there, startAgain } = await givenOldData();
  const { client, notices } = await startAgain();
  await until("the old things to be gone", () => there(old).length === 0);
  await until("it to be said", () => notices.length > 0);
  expect(notices).toEqual(["removed what was older than 30 days (serve.retention): batches 1, files 3"]);
  expect(there(kept)).toEqual(kept);
  await expect(client.batches.retrieve(old[0]!)).rejects.toMatchObject({ status: 404 });
  await expect(client.files.content(old[2]!)).rejects.toMatchObject({ status: 404 });
});

it("a longer time, or for ever, keeps it", async () => {
  for (const retention of ["32d", "forever"]) {
    const { old, kept, there, startAgain } = await givenOldData({ retention });
    const server = await startAgain();
    // It looks at its start; when it stops, it has looked.
    await server.client.batches.list();
    await server.stop();
    expect([there(old), there(kept), server.notices]).toEqual([old, kept, []]);
  }
});

it("a time is 30 days where nothing is said, and infinite where it is to be for ever", () => {
  const timeOf = (retention?: string) =>
    buildConfig(
      { tiers: {}, models: {}, tasks: {}, serve: retention === undefined ? {} : { retention } },
      { fleet: "f", source: "test", keys: new Map() },
    ).serve.retentionMs;
  expect([timeOf(), timeOf("12h"), timeOf("forever")]).toEqual([30 * dayMs, dayMs / 2, Number.POSITIVE_INFINITY]);
});

it("a file with a time of its own is removed then by the next server too", async () => {
  const directory = temporaryFolder();
  const first = openFiles(directory);
  const about = { filename: "a", purpose: "batch", expiresAtMs: Date.now() + 1 };
  const { id } = await first.add(Readable.from(["x"]), about);
  first.close();
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  onTestFinished(() => void vi.useRealTimers());
  const second = openFiles(directory);
  vi.advanceTimersByTime(60_000);
  await until("the file to be gone", () => !existsSync(join(directory, id)));
  second.close();
});
