import { expect, it, onTestFinished } from "vitest";
import { buildConfig } from "../../src/config/build.ts";
import type { Outcome } from "../../src/job/outcome.ts";
import { openEndpoints } from "../../src/pool/endpoints.ts";
import { createKeyRotation } from "../../src/pool/key-rotation.ts";
import { replaceableEndpoint } from "../../src/pool/replaceable-endpoint.ts";
import type { Adapter, BackendCall, Endpoint } from "../../workers/adapter.ts";

const badKey: Outcome = { kind: "unavailable", scope: "tier", reason: "bad-key", message: "401" };
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A rotation with a clock and a key file of the test. */
function givenRotation(first: string | undefined) {
  const file = { key: first as string | undefined, looks: 0, broken: false };
  const clock = { nowMs: 0 };
  const keys: string[] = [];
  const reread = async () => {
    file.looks++;
    if (file.broken) throw new Error("chmod 600");
    return file.key;
  };
  const rotation = createKeyRotation(
    first,
    reread,
    (key) => void keys.push(key),
    () => clock.nowMs,
  );
  return { file, clock, keys, rotation };
}

it("looks the key up once for all rows that meet a bad one, and again only after two seconds", async () => {
  const { file, clock, keys, rotation } = givenRotation("old");
  for (let row = 0; row < 100; row++) rotation.note(badKey);
  await settled();
  expect([file.looks, keys]).toEqual([1, []]);
  file.key = "new";
  clock.nowMs = 1_999;
  rotation.note(badKey);
  clock.nowMs = 2_000;
  rotation.note(badKey);
  await settled();
  expect([file.looks, keys]).toEqual([2, ["new"]]);
});

it("does not look for any other outcome, and lives with a key file that may not be read or has lost the key", async () => {
  const { file, clock, keys, rotation } = givenRotation("old");
  rotation.note({ kind: "unavailable", scope: "tier", reason: "no-credit", message: "402" });
  rotation.note({ kind: "throttled", message: "429" });
  expect(file.looks).toBe(0);
  file.broken = true;
  rotation.note(badKey);
  await settled();
  expect(rotation.trouble()).toBe("chmod 600");
  clock.nowMs = 5_000;
  Object.assign(file, { broken: false, key: undefined });
  rotation.note(badKey);
  await settled();
  expect([file.looks, keys, rotation.trouble()]).toEqual([2, [], undefined]);
});

/** An endpoint whose calls end when the test says so. */
function givenEndpoint() {
  const calls: ((outcome: Outcome) => void)[] = [];
  const state = { closed: false };
  const endpoint: Endpoint = {
    call: () => new Promise((resolve) => calls.push(resolve)),
    probe: async () => ({ usable: true, models: [] }),
    async close() {
      state.closed = true;
    },
  };
  return { endpoint, calls, state };
}
const call = {} as BackendCall;

it("asks the new connection from then on, and closes the old one when its last call has ended", async () => {
  const [old, next] = [givenEndpoint(), givenEndpoint()];
  const connection = replaceableEndpoint(old.endpoint);
  const [first, second] = [connection.call(call), connection.call(call)];
  connection.replace(next.endpoint);
  void connection.call(call);
  expect([old.calls.length, next.calls.length]).toEqual([2, 1]);
  old.calls[0]!({ kind: "rejected", message: "no" });
  expect(await first).toEqual({ kind: "rejected", message: "no" });
  expect(old.state.closed).toBe(false);
  old.calls[1]!(badKey);
  // The old key's refusal says nothing of the new one.
  expect(await second).toMatchObject({ kind: "cancelled" });
  expect([old.state.closed, next.state.closed]).toEqual([true, false]);
  await connection.close();
  expect(next.state.closed).toBe(true);
});

it("closes a connection without calls as soon as it is replaced", async () => {
  const old = givenEndpoint();
  const connection = replaceableEndpoint(old.endpoint);
  connection.replace(givenEndpoint().endpoint);
  expect(old.state.closed).toBe(true);
});

it("the endpoints of a tier are probed with the new key at once, and not when the next probe was due", async () => {
  const keys: (string | undefined)[] = [];
  const { endpoint } = givenEndpoint();
  const adapter: Adapter = {
    provider: "vllm",
    defaultConcurrency: 1,
    needsBaseUrl: true,
    connect({ apiKey }) {
      keys.push(apiKey);
      return endpoint;
    },
  };
  const tier = buildConfig(
    {
      tiers: { lab: { provider: "vllm" } },
      models: { m: { tier: "lab", model: "auto" } },
      tasks: { simple: { primary: "m" } },
    },
    { fleet: "test", source: "given", keys: new Map() },
  ).tiers.lab!;
  const endpoints = openEndpoints({
    tier,
    adapter,
    apiKey: "old",
    rereadKey: async () => "new",
    trustedHosts: [],
    onChange: () => {},
  });
  onTestFinished(() => endpoints.close());
  endpoints.noteOutcome(endpoints.all[0]!, badKey);
  expect(endpoints.downSince()?.probeAtMs).toBeGreaterThan(performance.now() + 100);
  // Promises only: no timer may come first.
  for (let turn = 0; turn < 10; turn++) await undefined;
  expect(keys).toEqual(["old", "new"]);
  expect(endpoints.downSince()?.probeAtMs).toBeLessThanOrEqual(performance.now());
});
