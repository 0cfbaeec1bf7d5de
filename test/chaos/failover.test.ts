import { join } from "node:path";
import { expect, it } from "vitest";
import { startRedisProcess } from "../../scripts/chaos/redis-process.ts";
import { afterTests } from "../support/clean-up.ts";
import { givenProject, summaryOf } from "../support/cli.ts";
import { assertEachResultOnce } from "../support/laws.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { until } from "../support/until.ts";

/** A master and its replica, and the one address by which clients reach whoever is the master. */
async function givenPair(folder: string) {
  const master = await startRedisProcess(join(folder, "master"));
  const replica = await startRedisProcess(join(folder, "replica"));
  const replication = await startTcpProxy(master.port);
  const address = await startTcpProxy(master.port);
  afterTests(async () => {
    await Promise.all([replica.close(), master.close()]);
    await Promise.all([address.close(), replication.close()]);
  });
  await replica.client.replicaof("127.0.0.1", replication.port);
  await until("the replica to follow", async () =>
    (await replica.client.info("replication")).includes("master_link_status:up"),
  );
  return { master, replica, replication, address };
}

it.each(["has everything", "lacks the last writes"])(
  "a replica that %s takes the master's place: the run ends whole, and asks no more again than was in flight or unheard of",
  async (what) => {
    const rows = 4_000;
    const slots = 16;
    const project = await givenProject({ rows, concurrency: slots, backend: { latencyMs: 15 } });
    const { backend, output } = project;
    const { master, replica, replication, address } = await givenPair(project.folder);
    const redis = ["--redis", `redis://127.0.0.1:${address.port}`, "--fleet", "failover"];
    const run = project.start(["run", project.input, "-o", output, "--json", ...redis]);
    await until("a third of the answers", () => backend.requests() > rows / 3, 60_000);

    const askedBefore = backend.requests();
    if (what === "lacks the last writes") {
      replication.swallow();
      await until("answers that the replica does not hear of", () => backend.requests() > askedBefore + 100);
    }
    await master.kill();
    const unheard = backend.requests() - askedBefore;
    await replica.client.replicaof("NO", "ONE");
    address.leadTo(replica.port);

    const ended = await run.ended;
    expect(ended, ended.stderr).toMatchObject({ code: 0 });
    expect(summaryOf(ended)).toMatchObject({ rows, answered: rows, failed: 0 });
    assertEachResultOnce(output, rows);
    expect(backend.countsByKey.size).toBe(rows);
    const askedAgain = backend.requests() - rows;
    expect(askedAgain).toBeLessThanOrEqual(unheard + 2 * slots);
    expect(summaryOf(ended).asked_again).toBeGreaterThanOrEqual(askedAgain);
  },
  120_000,
);
