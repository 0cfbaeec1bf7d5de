import { describe, expect, it } from "vitest";
import { betweenAnswers, finishWhole, runInTheMiddle } from "../support/given-middle.ts";
import { until } from "../support/until.ts";

describe.concurrent("a Redis that goes away in the middle of a run", () => {
  it("and comes back with everything: the run ends whole", async () => {
    const middle = await runInTheMiddle();
    await middle.server.shutDown();
    await until("the reason to be shown", () => middle.run.fleet.redisTrouble());
    await until("calls in flight to end", () => middle.backend.inFlight === 0);
    await middle.server.start();
    await until("the reason to be gone", () => middle.run.fleet.redisTrouble() === undefined);
    await finishWhole(middle);
  });

  it("killed, with what it had not yet synced lost: the run ends whole", async () => {
    const middle = await runInTheMiddle();
    await middle.server.kill();
    await middle.server.start();
    await finishWhole(middle);
  });

  it("and comes back empty: the run ends whole", async () => {
    const middle = await runInTheMiddle();
    await middle.server.kill();
    middle.server.wipe();
    await middle.server.start();
    await finishWhole(middle);
  });

  it("twice, empty each time: the run ends whole", async () => {
    const middle = await runInTheMiddle();
    for (const part of [0.5, 0.75]) {
      await until("more answers", () => middle.run.answered() > middle.rowCount * part);
      await middle.server.kill();
      middle.server.wipe();
      await middle.server.start();
    }
    await finishWhole(middle);
  });

  it("while its owner was claiming the batch, so that it is claimed for a Redis of before: the run ends whole", async () => {
    const middle = await runInTheMiddle();
    const { batch } = middle.run.fleet.names.batch(middle.run.batchId);
    await middle.server.client.hset(batch, "incarnation", "of before");
    await finishWhole(middle);
  });

  it.each(["with everything", "empty"])(
    "keeps answers that come meanwhile: back %s, no row is asked twice",
    async (how) => {
      const middle = await runInTheMiddle(1_000, 60);
      await betweenAnswers(middle);
      // At once: what is recorded during a slow end, and then wiped before it is on disk, has to be asked again.
      await middle.server.kill();
      if (how === "empty") middle.server.wipe();
      await until("the answers to come", () => middle.backend.inFlight === 0);
      await middle.server.start();
      await finishWhole(middle);
      expect(middle.backend.requests()).toBe(60);
    },
  );

  it("and comes back empty while calls are in flight: no row is asked twice", async () => {
    const middle = await runInTheMiddle(2_000, 48);
    await betweenAnswers(middle);
    await middle.server.kill();
    middle.server.wipe();
    await middle.server.start();
    await finishWhole(middle);
    expect(middle.backend.requests()).toBe(48);
  });
});
