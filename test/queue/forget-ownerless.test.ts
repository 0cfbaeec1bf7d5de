import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { forgetOwnerless } from "../../src/queue/forget-ownerless.ts";
import { batchId, givenBatch } from "../support/given-batch.ts";
import { withRedis } from "../support/redis-server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const server = withRedis();

/** A batch with rows in Redis, whose owner is gone for good. */
async function givenOrphan(claimed: { outputPath?: string; host?: string }) {
  const given = await givenBatch(server);
  const { redis, names, keys, owner, claims } = given;
  const { outputPath, host } = claimed;
  const { epoch } = await given.claim(outputPath === undefined ? {} : { outputPath });
  if (host !== undefined) await redis.hset(keys.batch, "host", host);
  await given.feed([0, 1], { epoch });
  await owner.membership.leave();
  return {
    ...given,
    async openAfter(hasFiles: (outputPath: string) => boolean): Promise<boolean> {
      await forgetOwnerless(redis, names, claims, hasFiles);
      return (await redis.exists(keys.payloads)) === 1 && (await redis.sismember(names.openBatches, batchId)) === 1;
    },
  };
}

describe("a batch whose owner is gone for good", () => {
  it("is kept while its files are there to resume it, and forgotten once somebody removed them", async () => {
    const { openAfter, redis, keys } = await givenOrphan({ outputPath: "/there/out.jsonl" });
    expect(await openAfter((path) => path === "/there/out.jsonl")).toBe(true);
    expect(await openAfter(() => false)).toBe(false);
    expect(await redis.exists(keys.done, keys.payloads, keys.moves, keys.calls, keys.results)).toBe(0);
    expect(await redis.ttl(keys.batch)).toBeGreaterThan(0);
  });

  it("is kept when the disk of its files is away, as an unmounted one: what it holds is asked for by its next run", async () => {
    const { openAfter, redis, keys } = await givenOrphan({ outputPath: join(temporaryFolder(), "gone", "out.jsonl") });
    const disk = await redis.hget(keys.batch, "disk");
    await redis.hset(keys.batch, "disk", "4711");
    expect(await openAfter(() => false)).toBe(true);
    await redis.hset(keys.batch, "disk", disk!);
    expect(await openAfter(() => false)).toBe(false);
  });

  it("is kept when its files lie on another host, where nobody here can look", async () => {
    const { openAfter } = await givenOrphan({ outputPath: "/there/out.jsonl", host: `not-${hostname()}` });
    expect(await openAfter(() => false)).toBe(true);
  });

  it("is kept while its owner beats", async () => {
    const { openAfter, owner } = await givenOrphan({ outputPath: "/gone/out.jsonl" });
    await owner.membership.beat();
    expect(await openAfter(() => false)).toBe(true);
  });
});
