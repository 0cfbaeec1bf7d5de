import { expect, it } from "vitest";
import type { Outcome } from "../../src/job/outcome.ts";
import { createModelPulls } from "../../src/pool/pull-models.ts";
import type { Endpoint } from "../../workers/adapter.ts";

const missing: Outcome = { kind: "unavailable", scope: "model", reason: "model-missing", message: "not found" };
const waitingWith = (message: string) => ({ kind: "throttled", message, retryAfterMs: 1_000 });

/** An endpoint whose pulls are ended by hand. */
function givenEndpoint() {
  const pulls: {
    model: string;
    tell: (progress: string) => void;
    end: (failure?: string) => void;
    signal: AbortSignal;
  }[] = [];
  const endpoint: Endpoint = {
    call: async () => missing,
    probe: async () => ({ usable: true, models: [] }),
    close: async () => {},
    pull: (model, tell, signal) => new Promise((end) => void pulls.push({ model, tell, end, signal })),
  };
  return { endpoint, pulls };
}

it("a missing model is pulled once, however many rows find it missing, and they wait", async () => {
  const { endpoint, pulls } = givenEndpoint();
  const models = createModelPulls(true);
  expect(models.waitingFor(endpoint, "a")).toBeUndefined();
  expect(models.after(missing, endpoint, "a")).toEqual(waitingWith("pulling a"));
  expect(models.after(missing, endpoint, "a")).toEqual(waitingWith("pulling a"));
  expect(models.waitingFor(endpoint, "b")).toBeUndefined();
  expect(pulls.map(({ model }) => model)).toEqual(["a"]);
  pulls[0]!.tell("43 % of 2.0 GB");
  expect(models.waitingFor(endpoint, "a")).toEqual(waitingWith("pulling a: 43 % of 2.0 GB"));
  pulls[0]!.end();
  await Promise.resolve();
  expect(models.waitingFor(endpoint, "a")).toBeUndefined();
});

it("says why a pull failed, and does not try again at once", async () => {
  const { endpoint, pulls } = givenEndpoint();
  const models = createModelPulls(true);
  models.after(missing, endpoint, "a");
  pulls[0]!.end("no space left on device");
  await Promise.resolve();
  const failed = waitingWith("cannot pull a: no space left on device; it is tried again every minute");
  expect(models.waitingFor(endpoint, "a")).toEqual(failed);
  expect(models.after(missing, endpoint, "a")).toEqual(failed);
  expect(pulls).toHaveLength(1);
  models.close();
});

it("leaves a missing model missing unless it is wanted, and where the server cannot fetch one", () => {
  const { endpoint, pulls } = givenEndpoint();
  expect(createModelPulls(false).after(missing, endpoint, "a")).toBe(missing);
  const { pull: _none, ...other } = endpoint;
  expect(createModelPulls(true).after(missing, other, "a")).toBe(missing);
  const badKey: Outcome = { kind: "unavailable", scope: "tier", reason: "bad-key", message: "no" };
  expect(createModelPulls(true).after(badKey, endpoint, "a")).toBe(badKey);
  expect(pulls).toHaveLength(0);
});

it("gives up what it pulls when it is closed", () => {
  const { endpoint, pulls } = givenEndpoint();
  const models = createModelPulls(true);
  models.after(missing, endpoint, "a");
  models.close();
  expect(pulls[0]!.signal.aborted).toBe(true);
});
