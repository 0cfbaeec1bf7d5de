import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { describe, expect, it } from "vitest";
import { type EmbeddedRedis, joinEmbeddedRedis } from "../../src/queue/embedded-redis.ts";
import { chooseRedisBinary } from "../../src/queue/redis-binary.ts";
import { afterTests } from "../support/clean-up.ts";
import { redisServerPath } from "../support/redis-server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const binary = { path: await redisServerPath() };

async function joinAt(folder: string): Promise<EmbeddedRedis> {
  const joined = await joinEmbeddedRedis(folder, binary);
  afterTests(() => joined.leave());
  return joined;
}

function clientOf({ address }: EmbeddedRedis): Redis {
  const client = new Redis((address as { socketPath: string }).socketPath, { retryStrategy: () => null });
  client.on("error", () => {});
  afterTests(() => client.disconnect());
  return client;
}

describe("the embedded Redis", () => {
  it("is started by the first, joined by the next and ended by the last", async () => {
    const folder = temporaryFolder();
    const first = await joinAt(folder);
    const second = await joinAt(folder);
    expect([first.joinedAlone, second.joinedAlone]).toEqual([true, false]);
    await clientOf(first).set("key", "value");
    await first.leave();
    const client = clientOf(second);
    expect(await client.get("key")).toBe("value");
    await second.leave();
    await until("the connection to end", () => client.status === "end");
    const third = await joinAt(folder);
    expect(await clientOf(third).get("key")).toBe("value");
  });

  it("can be read by its user alone, and evicts nothing", async () => {
    const folder = join(temporaryFolder(), "data");
    const joined = await joinAt(folder);
    expect(statSync(folder).mode & 0o077).toBe(0);
    expect(statSync(join(folder, "redis")).mode & 0o077).toBe(0);
    expect(await clientOf(joined).config("GET", "maxmemory-policy")).toEqual(["maxmemory-policy", "noeviction"]);
  });

  it("lies in a short folder when the data directory's path is too long for a socket", async () => {
    const folder = join(temporaryFolder(), "d".repeat(120));
    const joined = await joinAt(folder);
    const { socketPath } = joined.address as { socketPath: string };
    expect(Buffer.byteLength(socketPath)).toBeLessThan(108);
    expect(await clientOf(joined).ping()).toBe("PONG");
    expect((await joinAt(folder)).address).toEqual(joined.address);
  });

  it("sets an append-only file aside that it cannot read, and says so", async () => {
    const folder = temporaryFolder();
    const first = await joinAt(folder);
    await clientOf(first).set("key", "value");
    await first.leave();
    const files = join(folder, "redis", "appendonlydir");
    for (const name of readdirSync(files)) if (name.includes(".incr.")) writeFileSync(join(files, name), "garbage\r\n");
    const second = await joinAt(folder);
    expect(second.notice).toMatch(/could not read its append-only file; it was set aside as .*unreadable/);
    expect(await clientOf(second).get("key")).toBeNull();
  });

  it("that cannot start says what its server said", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "redis"), { recursive: true });
    const failing = join(folder, "failing-server");
    writeFileSync(failing, "#!/bin/sh\necho 'cannot do that' >&2\nexit 1\n", { mode: 0o700 });
    await expect(joinEmbeddedRedis(folder, { path: failing })).rejects.toThrow(/did not start in .*cannot do that/);
  });
});

describe("the choice of a redis-server", () => {
  function givenServer(version: string): string {
    const path = join(temporaryFolder(), "redis-server");
    writeFileSync(path, `#!/bin/sh\necho '${version}'\n`, { mode: 0o700 });
    return path;
  }

  it("takes the first that is new enough", async () => {
    const old = givenServer("Redis server v=6.2.14 sha=0:0 malloc=libc bits=64");
    const good = givenServer("Redis server v=7.0.0 sha=0:0 malloc=libc bits=64");
    const valkey = givenServer("Valkey server v=8.1.0 sha=0:0 malloc=libc bits=64");
    expect(await chooseRedisBinary(["/missing/redis-server", old, valkey, good])).toEqual({ path: valkey });
    expect(await chooseRedisBinary([old, good])).toEqual({ path: good });
  });

  it("refuses what is too old, naming what it found and how to get one", async () => {
    const old = givenServer("Redis server v=6.2.14 sha=0:0 malloc=libc bits=64");
    const valkey = givenServer("Valkey server v=7.1.0 sha=0:0 malloc=libc bits=64");
    await expect(chooseRedisBinary([old, valkey])).rejects.toThrow(/Redis 6\.2.*Valkey 7\.1.*/);
    await expect(chooseRedisBinary([])).rejects.toThrow(/expected redis-server 7\.0 or newer/);
  });
});
