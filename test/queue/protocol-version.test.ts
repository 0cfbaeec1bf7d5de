import { describe, expect, it } from "vitest";
import { fleetNames } from "../../src/queue/names.ts";
import { agreeOnProtocol, protocolVersion } from "../../src/queue/protocol-version.ts";
import { givenBatch } from "../support/given-batch.ts";
import { givenFleetConfig } from "../support/given-config.ts";
import { startRun } from "../support/given-run.ts";
import { withRedis } from "../support/redis-server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const server = withRedis();
const timeoutMs = 8_000;

describe("a process that joins a fleet", () => {
  it("says which version it speaks where nobody has, and joins where all speak it", async () => {
    const { redis, names } = await givenBatch(server);
    await agreeOnProtocol(redis, names, timeoutMs);
    expect(await redis.get(names.protocol)).toBe(String(protocolVersion));
    await agreeOnProtocol(redis, names, timeoutMs);
  });

  it.each([
    [protocolVersion + 1, /upgrade this promptfleet/],
    [protocolVersion - 1, /end its processes/],
  ])("is refused where processes live that speak version %i", async (version, mend) => {
    const name = server.newFleetName();
    const names = fleetNames(name);
    const [seconds] = await server.client.time();
    await server.client.zadd(names.processes, Number(seconds) * 1_000, "other");
    await server.client.set(names.protocol, String(version));
    const config = givenFleetConfig(name, { lab: { baseUrl: "http://127.0.0.1:9/v1" } });
    const joining = startRun({ server, config, folder: temporaryFolder(), rows: [] });
    await expect(joining).rejects.toThrow(mend);
    await expect(joining).rejects.toThrow(`speaks version ${version} of the protocol (1 processes)`);
    await expect(joining).rejects.toThrow(`this promptfleet speaks version ${protocolVersion}`);
    expect(await server.client.zcard(names.processes)).toBe(1);
  });

  it("takes over what is left of another version in which nobody lives", async () => {
    const { redis, names, owner } = await givenBatch(server);
    await owner.membership.leave();
    await redis.set(names.protocol, "0");
    await agreeOnProtocol(redis, names, timeoutMs);
    expect(await redis.get(names.protocol)).toBe(String(protocolVersion));
  });
});
