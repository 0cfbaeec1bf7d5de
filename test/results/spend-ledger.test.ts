import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fleetNames } from "../../src/queue/names.ts";
import { createSpendLedger } from "../../src/results/spend-ledger.ts";
import { withRedis } from "../support/redis-server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const server = withRedis();

function given() {
  const names = fleetNames(server.newFleetName());
  const key = names.spend("lab");
  const folder = temporaryFolder();
  const day = Math.floor(Date.now() / 86_400_000);
  const open = (directory = folder) => createSpendLedger(server.client, names, ["lab"], directory);
  return { names, key, folder, day, open, spent: () => server.client.hget(key, `${day}:spent`) };
}

describe("the ledger of a day", () => {
  it("says that nothing was spent when neither Redis nor a file knows of any", async () => {
    const { open, spent } = given();
    await open().sync();
    expect(await spent()).toBe("0");
  });

  it("restores what Redis has forgotten, what was reserved as spent", async () => {
    const { open, key, day, spent } = given();
    await open().sync();
    await server.client.hset(key, `${day}:spent`, 700, `${day}:reserved`, 50);
    await open().sync();
    await server.client.del(key);
    await Promise.all([open().sync(), open().sync()]);
    expect(await spent()).toBe("750");
  });

  it("leaves alone what Redis knows, also when calls were cheaper than what was reserved for them", async () => {
    const { open, key, day, spent } = given();
    await open().sync();
    await server.client.hset(key, `${day}:spent`, 700, `${day}:reserved`, 500);
    await open().sync();
    await server.client.hset(key, `${day}:spent`, 800, `${day}:reserved`, 0);
    await open().sync();
    expect(await spent()).toBe("800");
  });

  it("counts nothing of yesterday's file, keeps yesterday's sums for calls that end late, and forgets older ones", async () => {
    const { open, key, day, names, folder, spent } = given();
    const path = join(folder, `${encodeURIComponent(names.queuePrefix)}-lab.json`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(path, JSON.stringify({ day: day - 1, spent: 900, reserved: 9 }));
    await server.client.hset(key, `${day - 1}:spent`, 900, `${day - 2}:spent`, 700);
    await open().sync();
    expect(await spent()).toBe("0");
    expect(Object.keys(await server.client.hgetall(key)).sort()).toEqual([`${day - 1}:spent`, `${day}:spent`].sort());
    expect(await server.client.ttl(key)).toBeGreaterThan(2 * 86_400);
  });

  it("takes nothing for forgotten that a file knows as reserved and Redis still does", async () => {
    const { open, key, day, folder, names, spent } = given();
    mkdirSync(folder, { recursive: true });
    const path = join(folder, `${encodeURIComponent(names.queuePrefix)}-lab.json`);
    writeFileSync(path, JSON.stringify({ day, spent: 750, reserved: 0 }));
    await server.client.hset(key, `${day}:spent`, 700, `${day}:reserved`, 100);
    await open().sync();
    expect(await spent()).toBe("700");
  });

  it("corrects somebody who did not remember and was first", async () => {
    const { open, key, day, folder, spent } = given();
    await open().sync();
    await server.client.hset(key, `${day}:spent`, 700);
    await open().sync();
    await server.client.del(key);
    await open(join(folder, "another machine")).sync();
    expect(await spent()).toBe("0");
    await open().sync();
    expect(await spent()).toBe("700");
  });

  it("is written nowhere else when its disk goes, and goes on when that is back", async () => {
    const { open, key, day } = given();
    const [directory, away] = [join(temporaryFolder(), "spend"), join(temporaryFolder(), "away")];
    const ledger = open(directory);
    await ledger.sync();
    renameSync(directory, away);
    await server.client.hset(key, `${day}:spent`, 700);
    await expect(ledger.sync()).rejects.toThrow(/the disk of .*spend is gone/);
    expect(existsSync(directory)).toBe(false);
    renameSync(away, directory);
    await ledger.sync();
    expect(readFileSync(join(directory, readdirSync(directory)[0]!), "utf8")).toContain('"spent":700');
  });

  it("tells Redis nothing when its file cannot be read, so that the tier waits", async () => {
    const { open, names, folder, spent } = given();
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${encodeURIComponent(names.queuePrefix)}-lab.json`), "no ledger");
    await expect(open().sync()).rejects.toThrow();
    expect(await spent()).toBeNull();
    chmodSync(folder, 0o700);
  });
});
