import { describe, expect, it } from "vitest";
import { finishWhole, runInTheMiddle } from "../support/given-middle.ts";
import { until } from "../support/until.ts";

describe.concurrent("a Redis that stays but", () => {
  it("emptied by hand while it runs: the run ends whole", async () => {
    const middle = await runInTheMiddle();
    await middle.server.client.flushall();
    await finishWhole(middle);
  });

  it("has no memory left for a while: the run waits, says why, and ends whole", async () => {
    const middle = await runInTheMiddle();
    await middle.server.client.config("SET", "maxmemory", "1mb");
    expect(await until("the reason", () => middle.run.fleet.redisTrouble())).toMatch(/^OOM/);
    await until("calls in flight to end", () => middle.backend.inFlight === 0);
    await middle.server.client.config("SET", "maxmemory", "0");
    await finishWhole(middle);
    expect(middle.backend.requests()).toBe(1_500);
  });

  it("frozen for longer than a job's lock: the run ends whole", async () => {
    const middle = await runInTheMiddle();
    middle.server.signal("SIGSTOP");
    await until("calls in flight to end", () => middle.backend.inFlight === 0);
    const frozenAtMs = Date.now();
    await until("ten seconds to pass", () => Date.now() - frozenAtMs > 10_000);
    middle.server.signal("SIGCONT");
    await finishWhole(middle);
  });
});
