import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { withRedis } from "../support/redis-server.ts";
import { batchLines, givenBatchOf, givenServer, untilEnded } from "../support/serve.ts";
import { smallDisk, whyNoDisk } from "../support/small-disk.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const server = withRedis();
const why = whyNoDisk();
const rows = 600;

function fill(path: string): void {
  try {
    writeFileSync(path, Buffer.alloc(16 * 1024 ** 2));
  } catch {
    // It is full.
  }
}

it.skipIf(why !== undefined)(
  `a server whose disk is full says so and stays, and its batch goes on when there is room${why === undefined ? "" : ` (skipped: ${why})`}`,
  async () => {
    const disk = smallDisk(temporaryFolder(), "size=8m");
    const { client, backend, notices } = await givenServer(server, {
      backend: { latencyMs: 20 },
      dataDirectory: join(disk.path, "data"),
    });
    const { id } = await givenBatchOf(client, batchLines(rows));
    await until("a part of the answers", () => backend.requests() > rows / 4);
    const filler = join(disk.path, "filler");
    fill(filler);
    await until("it to say so", () => notices.some((line) => /ENOSPC.*the server goes on by itself/.test(line)));
    await until("nothing to be in flight", () => backend.inFlight === 0);
    expect(backend.requests()).toBeLessThan(rows);
    rmSync(filler);
    const ended = await untilEnded(client, id, 60_000);
    expect(ended).toMatchObject({ status: "completed", request_counts: { total: rows, completed: rows, failed: 0 } });
    expect(backend.requests()).toBe(rows);
  },
  120_000,
);
