import { expect, it } from "vitest";
import { type Found, judge } from "../../src/inspect/judge.ts";
import { readRedisFacts } from "../../src/inspect/redis-facts.ts";
import type { TimedCall } from "../../src/inspect/timed-call.ts";

const healthy: Found = {
  tiers: [
    { tier: "lab", state: "ready", endpoints: [{ baseUrl: "http://a", ready: true, models: ["m"] }], models: ["m"] },
  ],
  models: [{ alias: "m", usable: true }],
  tierOf: () => "lab",
  taskCount: 3,
  tasksWithoutModel: [],
  redis: {},
  machine: {
    cores: 2,
    memoryBytes: 1,
    freeMemoryBytes: 1,
    node: "24",
    dataDirectory: "/data",
    freeDiskBytes: 50 * 1024 ** 3,
  },
  keyFileTroubles: [],
  timedCalls: new Map(),
  hasLocalServer: false,
};
const found = (change: Partial<Found>) =>
  judge({ ...healthy, ...change }).map(({ level, text, mend }) => [level, text, mend]);

it("nothing is said where nothing is wrong", () => {
  expect(found({})).toEqual([]);
});

it("problems come before notes, and a gateway that cannot be seen through is noted once a local server is in use", () => {
  const findings = found({ hasLocalServer: true, redis: { problem: "too old" } });
  expect(findings.map(([level]) => level)).toEqual(["problem", "note"]);
  const slow = { answered: true, model: "m", latencyMs: 9_000, advice: "smaller" } as const;
  const failed = { answered: false, model: "m", reason: "401" } as const;
  const timedCalls = new Map<string, TimedCall>([
    ["one", slow],
    ["two", failed],
  ]);
  expect(found({ timedCalls }).map(([level]) => level)).toEqual(["problem", "note"]);
  expect(findings[1]?.[1]).toMatch(/a gateway on this machine that forwards to a cloud cannot be told/);
});

it("a full disk is a problem, a Redis that keeps nothing or is far away a note", () => {
  expect(found({ machine: { ...healthy.machine, freeDiskBytes: 200 * 1024 ** 2 } })).toEqual([
    ["problem", "only 200 MB of disk are free for /data", "make room, or choose another --data-dir"],
  ]);
  const facts = readRedisFacts(
    "redis_version:7.2.1\r\naof_enabled:0\r\nmaxmemory_policy:noeviction\r\nused_memory:9\r\n",
    "",
  );
  expect(found({ redis: { facts, latencyMs: 1 } })).toEqual([
    ["note", expect.stringContaining("keeps nothing on disk"), "redis-cli CONFIG SET appendonly yes"],
  ]);
  expect(found({ redis: { latencyMs: 80 } })).toEqual([
    ["note", "Redis takes 80 ms for a round trip", expect.any(String)],
  ]);
});

it("tasks without a model are one problem, whose mend is another when nothing at all is set up", () => {
  expect(found({ tasksWithoutModel: ["a", "b"] })).toEqual([
    ["problem", "2 of 3 tasks have no model that can be used now: a, b", expect.stringContaining("promptfleet init")],
  ]);
  expect(found({ tasksWithoutModel: ["a", "b", "c"] })).toEqual([
    ["problem", "no task has a model that can be used now", expect.stringContaining("start a model server")],
  ]);
});

it("a slow call is noted with what helps, a call that fails is a problem", () => {
  const slow = { answered: true, model: "big", latencyMs: 9_000, advice: "use a smaller one" } as const;
  expect(found({ timedCalls: new Map([["lab", slow]]) })).toEqual([
    ["note", "tier lab: big takes 9 s for one token", "use a smaller one"],
  ]);
  const failed = { answered: false, model: "m", reason: "401" } as const;
  expect(found({ timedCalls: new Map([["lab", failed]]) })).toEqual([["problem", "tier lab, m: 401", undefined]]);
});

it("the facts of a Redis are read from its own words, Valkey's name included", () => {
  const valkey =
    "redis_version:7.2.4\r\nvalkey_version:8.0.1\r\naof_enabled:1\r\nmaxmemory_policy:allkeys-lru\r\nused_memory:5\r\n";
  expect(readRedisFacts(valkey, "")).toEqual({
    name: "Valkey",
    version: "8.0.1",
    persistence: "append-only file",
    evictionPolicy: "allkeys-lru",
    usedMemoryBytes: 5,
  });
  expect(readRedisFacts("redis_version:7.0.0\r\naof_enabled:0\r\n", "3600 1").persistence).toBe("snapshots");
});
