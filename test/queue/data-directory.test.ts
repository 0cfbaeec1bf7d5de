import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { refuseNetworkDisk } from "../../src/join-redis.ts";
import { connectRedis } from "../../src/queue/connection.ts";
import { joinEmbeddedRedis } from "../../src/queue/embedded-redis.ts";
import { redisServerPath } from "../support/redis-server.ts";
import { smallDisk, whyNoDisk } from "../support/small-disk.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const binary = { path: await redisServerPath(), version: "" };
const otherHost = { host: `not-${hostname()}`, pid: 4_711, startedAt: "then" };

describe("a data directory", () => {
  it.each([
    ["a client's file", ["clients", "4711-abc"]],
    ["the lock", ["start-stop.lock"]],
  ])("that was copied from a host where it was in use is refused at once, naming %s to remove", async (_what, path) => {
    const folder = temporaryFolder();
    const file = join(folder, "redis", ...path);
    mkdirSync(join(folder, "redis", "clients"), { recursive: true });
    writeFileSync(file, JSON.stringify(otherHost));
    const joining = joinEmbeddedRedis(folder, binary);
    await expect(joining).rejects.toThrow(`in use by process 4711 on ${otherHost.host}`);
    await expect(joining).rejects.toThrow(`remove ${file}`);
    rmSync(file);
    await (await joinEmbeddedRedis(folder, binary)).leave();
  });

  it("of another user is refused with its path and another way", async (context) => {
    if (process.getuid?.() !== 0) return context.skip("needs root to be somebody else");
    const folder = temporaryFolder();
    mkdirSync(join(folder, "redis"), { mode: 0o700 });
    chmodSync(folder, 0o755);
    const code = `import { joinEmbeddedRedis } from ${JSON.stringify(fileURLToPath(new URL("../../src/queue/embedded-redis.ts", import.meta.url)))};
      await joinEmbeddedRedis(${JSON.stringify(folder)}, { path: "none" }).catch(({ name, message }) => console.log(name, message));`;
    const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", code], {
      uid: 65_534,
      gid: 65_534,
      encoding: "utf8",
    });
    expect(stdout).toMatch(/^UserError cannot use the data directory .*EACCES.*give another by --data-dir/);
    expect(stdout).toContain(folder);
  });

  it("on a network file system is refused with its type, its mount point and both ways out", () => {
    const disk = { type: "nfs4", mountPoint: "/home" };
    const refusing = () => refuseNetworkDisk("/home/u/.local/state/promptfleet", disk);
    expect(refusing).toThrow(
      /^the data directory \/home\/u\/.* is on a network file system \(nfs4 at \/home\), .*--data-dir or PROMPTFLEET_DATA_DIR, or your own Redis by --redis/,
    );
    expect(() => refuseNetworkDisk(temporaryFolder())).not.toThrow();
  });

  const noDisk = whyNoDisk();
  it.skipIf(noDisk !== undefined)("on a read-only mount is refused with its path and another way", async () => {
    const disk = smallDisk(temporaryFolder(), "size=1m");
    const [old, fresh] = [join(disk.path, "old"), join(disk.path, "new")];
    await (await joinEmbeddedRedis(old, binary)).leave();
    // The server that has just left may still have its log open.
    const remount = () => spawnSync("mount", ["-o", "remount,ro", disk.path]).status === 0;
    await until("the disk to be free", remount);
    await expect(joinEmbeddedRedis(old, binary)).rejects.toThrow(
      /cannot use the data directory .*old \(EROFS.*give another by --data-dir/,
    );
    await expect(joinEmbeddedRedis(fresh, binary)).rejects.toThrow(
      /cannot use the data directory .*new .*give another by --data-dir/,
    );
  });

  it.skipIf(noDisk !== undefined)(
    "on a full disk is refused, and keeps what it holds until there is room",
    async () => {
      const disk = smallDisk(temporaryFolder(), "size=1m");
      const data = join(disk.path, "data");
      const first = await joinEmbeddedRedis(data, binary);
      const redis = connectRedis(first.address, "test");
      await redis.set("kept", "yes");
      redis.disconnect();
      await first.leave();
      const before = readdirSync(join(data, "redis", "appendonlydir"));
      try {
        writeFileSync(join(disk.path, "filler"), Buffer.alloc(2 * 1024 ** 2));
      } catch {
        // It is full.
      }
      await expect(joinEmbeddedRedis(data, binary)).rejects.toThrow(/ENOSPC|No space left/);
      expect(readdirSync(join(data, "redis", "appendonlydir"))).toEqual(before);
      expect(existsSync(join(data, "redis", "redis.sock"))).toBe(false);
      rmSync(join(disk.path, "filler"));
      const again = await joinEmbeddedRedis(data, binary);
      const client = connectRedis(again.address, "test");
      expect(await client.get("kept")).toBe("yes");
      client.disconnect();
      await again.leave();
    },
  );
});
