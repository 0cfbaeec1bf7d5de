import { afterEach, describe, expect, it } from "vitest";
import { checkRedis, describeAddress, type RedisAddress, readIncarnation } from "../../src/queue/connection.ts";
import { withRedis } from "../support/redis-server.ts";
import { deadRedisUrl, protectedRedis, simulatedRedis } from "../support/simulated-redis.ts";

const server = withRedis();

async function refusal(address: RedisAddress): Promise<string> {
  const error = await checkRedis(address).then(
    () => new Error("it was not refused"),
    (reason: Error) => reason,
  );
  if (error.name !== "UserError") throw error;
  return error.message;
}

describe("the check of a Redis before it carries a fleet", () => {
  afterEach(async () => {
    await server.client.config("SET", "maxmemory-policy", "noeviction");
    await server.client.config("SET", "requirepass", "");
  });

  it("passes one that is right", async () => {
    await checkRedis(server.address);
  });

  it("refuses one that is not there, naming the address and what to do", async () => {
    const url = await deadRedisUrl();
    const message = await refusal({ url });
    expect(message).toContain(`expected a Redis server at ${url}`);
    expect(message).toMatch(/ECONNREFUSED/);
    expect(message).toContain("mend --redis or REDIS_URL");
  });

  it.each(["127.0.0.1:6379", "http://127.0.0.1:6379", "not a url"])(
    "refuses %s, which is no Redis URL",
    async (url) => {
      expect(await refusal({ url })).toMatch(/expected a Redis URL such as redis:\/\/127\.0\.0\.1:6379/);
    },
  );

  it("refuses one that wants a password, and says where to give it", async () => {
    await server.client.config("SET", "requirepass", "open sesame");
    await server.client.call("AUTH", "open sesame");
    expect(await refusal(server.address)).toMatch(/wants a password.*redis:\/\/:PASSWORD@host:6379/);
  });

  it("refuses one that answers its own machine only, and says what to set", async () => {
    const message = await refusal({ url: await protectedRedis() });
    expect(message).toMatch(/protected mode.*give it one \(requirepass\).*protected-mode no/);
  });

  it("refuses one that evicts keys, and says how to change that", async () => {
    await server.client.config("SET", "maxmemory-policy", "allkeys-lru");
    const message = await refusal(server.address);
    expect(message).toContain("evicts keys (maxmemory-policy is allkeys-lru)");
    expect(message).toContain("CONFIG SET maxmemory-policy noeviction");
  });

  it.each([
    ["redis_version:6.2.14\r\n", "found Redis 6.2"],
    ["redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:7.1.0\r\n", "found Valkey 7.1"],
    ["something else\r\n", "found Redis 0.0"],
  ])("refuses one that is too old: %j", async (info, found) => {
    const message = await refusal({ url: await simulatedRedis(info) });
    expect(message).toContain("expected Redis 7.0 or newer (or Valkey 7.2 or newer)");
    expect(message).toContain(found);
  });

  it("refuses a Sentinel, and says what address to give instead", async () => {
    const message = await refusal({ url: await simulatedRedis("redis_version:7.0.15\r\nredis_mode:sentinel\r\n") });
    expect(message).toMatch(/found a Sentinel.*an address that always leads to the master/);
  });

  it.each(["redis_version:7.0.0\r\n", "redis_version:8.2.1\r\n", "redis_version:7.2.4\r\nvalkey_version:8.0.0\r\n"])(
    "passes %j",
    async (info) => {
      await checkRedis({ url: await simulatedRedis(info) });
    },
  );
});

describe("an address in a message", () => {
  it("is named without its password", () => {
    expect(describeAddress({ url: "redis://user:secret@10.0.0.1:6380/2" })).toBe("redis://10.0.0.1:6380/2");
    expect(describeAddress({ url: "secret nonsense" })).toBe("the given Redis URL");
  });
});

describe("the incarnation of Redis", () => {
  it("changes when the server is started again", async () => {
    const before = await readIncarnation(server.client);
    expect(await readIncarnation(server.client)).toBe(before);
    await server.shutDown();
    await server.start();
    expect(await readIncarnation(server.client)).not.toBe(before);
  });
});
