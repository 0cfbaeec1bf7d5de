import { existsSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { createFleet } from "../../src/index.ts";
import { fleetNames } from "../../src/queue/names.ts";
import { isAlive } from "../support/cli.ts";
import { withRedis } from "../support/redis-server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";
import { collect, givenFleet, rows } from "./given-fleet.ts";

const server = withRedis();
let redis: string;
beforeAll(async () => {
  redis = await server.listenOnPort();
});

describe("close", () => {
  it("rejects what is open, at once, and what comes after it", async () => {
    const { open, backend } = await givenFleet({ fault: { kind: "stall" } });
    const fleet = await open({ redis, fleet: server.newFleetName() });
    const inFlight = fleet.enqueue({ id: "a", prompt: "about #a" }).result.catch((error: Error) => error.message);
    const results = collect(fleet.run(rows(50))).catch((error: Error) => error.message);
    await until("calls in flight", () => backend.inFlight > 0);
    await fleet.close();
    expect(await inFlight).toContain("closed before this row had its result");
    expect(await results).toContain("closed before this row had its result");
    await expect(fleet.enqueue({ prompt: "too late" }).result).rejects.toThrow("the fleet is closed");
    await expect(collect(fleet.run(rows(1)))).rejects.toThrow("the fleet is closed");
    await until("the calls to be given up", () => backend.inFlight === 0);
  });

  it("may be called twice", async () => {
    const { open } = await givenFleet();
    const fleet = await open({ redis, fleet: server.newFleetName() });
    await Promise.all([fleet.close(), fleet.close()]);
  });

  it("leaves no process, no open batch and no key that never expires, whether rows were open or not", async () => {
    const { open, backend } = await givenFleet();
    const name = server.newFleetName();
    const names = fleetNames(name);
    const fleet = await open({ redis, fleet: name });
    await collect(fleet.run(rows(50)));
    backend.setBehaviour({ fault: { kind: "stall" } });
    const open50 = collect(fleet.run(rows(50))).catch(() => {});
    await until("calls in flight", () => backend.inFlight > 0);
    await fleet.close();
    await open50;
    expect(await server.client.zcard(names.processes)).toBe(0);
    expect(await server.client.scard(names.openBatches)).toBe(0);
    const keys = await server.client.keys(`${names.queuePrefix}/batch/*`);
    const lasting = await Promise.all(keys.map(async (key) => ((await server.client.ttl(key)) === -1 ? [key] : [])));
    expect(lasting.flat()).toEqual([]);
  });

  it("ends the embedded Redis with the last fleet that uses it", async () => {
    const { open } = await givenFleet();
    const dataDirectory = temporaryFolder();
    const socketPath = join(dataDirectory, "redis", "redis.sock");
    const first = await open({ dataDirectory });
    const second = await open({ dataDirectory, fleet: "other" });
    const client = new Redis(socketPath);
    const pid = Number(/process_id:(\d+)/.exec(await client.info("server"))?.[1]);
    client.disconnect();
    await first.close();
    expect(isAlive(pid)).toBe(true);
    expect((await second.enqueue({ prompt: "about #a" }).result).status).toBe("answered");
    await second.close();
    await until("the embedded Redis to end", () => !isAlive(pid));
    expect(existsSync(socketPath)).toBe(false);
  });
});

describe("a fleet in this process", () => {
  it("installs no signal handlers, changes no exit code and prints nothing", async () => {
    const signals = ["SIGINT", "SIGTERM", "SIGHUP", "exit", "uncaughtException", "unhandledRejection"] as const;
    const listeners = () => signals.map((signal) => process.listenerCount(signal));
    const before = listeners();
    const printed = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, "write"));
    const logged = (["log", "info", "warn", "error"] as const).map((name) => vi.spyOn(console, name));
    try {
      const { open } = await givenFleet({ fault: ({ ask }) => (ask === 1 ? { kind: "reset" } : undefined) });
      const fleet = await open({ redis, fleet: server.newFleetName() });
      await collect(fleet.run([...rows(20), { id: "no-prompt" }]));
      expect(listeners()).toEqual(before);
      await fleet.close();
      expect(listeners()).toEqual(before);
      expect(process.exitCode).toBeUndefined();
      for (const spy of [...printed, ...logged]) expect(spy).not.toHaveBeenCalled();
    } finally {
      vi.restoreAllMocks();
    }
  });
});

describe("createFleet refuses", () => {
  it("a tier that it cannot work", async () => {
    const { config } = await givenFleet();
    await expect(createFleet({ config, redis, tiers: ["lap"] })).rejects.toThrow(
      expect.objectContaining({ name: "UserError", message: expect.stringContaining("no tier lap") }),
    );
  });

  it("a config with a mistake, naming it", async () => {
    const wrong = JSON.parse('{"tiers":{"lab":{"provider":"openai-compatibel"}},"models":{},"tasks":{}}');
    await expect(createFleet({ config: wrong, redis })).rejects.toThrow(/provider[\s\S]*openai-compatibel/);
  });

  it("a tier that others of the fleet define otherwise, and leaves nothing behind", async () => {
    const { open, config, cloud } = await givenFleet();
    const name = server.newFleetName();
    await open({ redis, fleet: name, tiers: ["lab"] });
    const other = { ...config, tiers: { ...config.tiers, lab: { ...config.tiers?.lab, baseUrl: cloud.baseUrl } } };
    await expect(createFleet({ config: other, redis, fleet: name, tiers: ["lab"] })).rejects.toThrow(
      new RegExp(`lab is worked by another process.*${cloud.baseUrl}`),
    );
    expect(await server.client.zcard(fleetNames(name).processes)).toBe(1);
  });
});
