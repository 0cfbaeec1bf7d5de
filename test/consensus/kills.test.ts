import { describe, expect, it } from "vitest";
import type { ConsensusRule } from "../../src/job/consensus.ts";
import type { ResultLine } from "../../src/job/result.ts";
import { givenProject } from "../support/cli.ts";
import { givenBackend } from "../support/given-backend.ts";
import { givenFleetConfig } from "../support/given-config.ts";
import { type GivenRun, givenRows, type RunOptions, startRun } from "../support/given-run.ts";
import { twoOfThree } from "../support/given-votes.ts";
import { assertEachResultOnce, assertNothingLeft, unsettled } from "../support/laws.ts";
import { startPoolProcess } from "../support/pool-process.ts";
import { givenRedis, type TestRedis } from "../support/redis-server.ts";
import type { SimulatedBackend } from "../support/simulated-backend.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const tiers = ["a", "b", "c"] as const;

interface Votes {
  readonly server: TestRedis;
  readonly backends: readonly SimulatedBackend[];
  readonly options: RunOptions;
  requests(): number;
  inFlight(): number;
}

/** Rows that three tiers of 16 slots are asked; the third is slower, so that rows wait for it with two votes. */
async function givenVotes(rowCount: number, latencyMs: number, more: Partial<ConsensusRule> = {}): Promise<Votes> {
  const server = await givenRedis();
  const backends = await Promise.all(
    tiers.map((tier) => givenBackend({ latencyMs: tier === "c" ? 1.5 * latencyMs : latencyMs })),
  );
  const byTier = Object.fromEntries(tiers.map((tier, at) => [tier, backends[at]!]));
  const config = givenFleetConfig(server.newFleetName(), byTier);
  const rows = givenRows(rowCount, { consensus: { ...twoOfThree, ...more } });
  return {
    server,
    backends,
    options: { server, config, folder: temporaryFolder(), rows },
    requests: () => backends.reduce((sum, backend) => sum + backend.requests(), 0),
    inFlight: () => backends.reduce((sum, backend) => sum + backend.inFlight, 0),
  };
}

async function finishWhole(votes: Votes, run: GivenRun): Promise<void> {
  const results = await run.finish(true);
  assertWhole(results);
  await assertNothingLeft(votes.server.client, run.fleet.config.fleet);
}

function assertWhole(results: readonly ResultLine[]): void {
  expect(results.filter(({ id, text }) => text !== `answer to ${id}`)).toEqual([]);
  expect(results.filter(({ consensus }) => consensus?.share !== 1)).toEqual([]);
}

/** Votes that are recorded and not yet on disk. */
const unread = ({ server }: Votes, run: GivenRun) =>
  server.client.xlen(run.fleet.names.batch(`${run.batchId}.votes`).results);

describe.concurrent("a Redis that goes away in the middle of votes", () => {
  it.each(["with everything", "without the last second", "empty"])(
    "and comes back %s: the run ends whole",
    async (how) => {
      const votes = await givenVotes(600, 20);
      const run = await startRun(votes.options);
      await until("a third of the answers", () => run.answered() > 200);
      if (how === "with everything") await votes.server.shutDown();
      else await votes.server.kill();
      if (how === "empty") votes.server.wipe();
      await votes.server.start();
      await finishWhole(votes, run);
      // What was in flight, and what was recorded but not yet on disk.
      expect(votes.requests()).toBeLessThanOrEqual(1_800 + 3 * 4 * unsettled(16));
    },
  );

  it("and comes back empty while calls are in flight: no vote is asked twice", async () => {
    const votes = await givenVotes(48, 2_000);
    const run = await startRun(votes.options);
    await until("a moment between the answers, with open rows", async () => {
      const [answered, inFlight] = [
        votes.backends.reduce((sum, one) => sum + one.stats().answered, 0),
        votes.inFlight(),
      ];
      return answered >= 32 && inFlight >= 32 && (await unread(votes, run)) === 0;
    });
    await votes.server.kill();
    votes.server.wipe();
    await votes.server.start();
    await finishWhole(votes, run);
    expect(votes.requests()).toBe(144);
  });
});

describe.concurrent("an owner that ends in the middle of votes", () => {
  it("is followed by one that asks no vote again that is on disk or on its way there", async () => {
    const votes = await givenVotes(300, 30);
    const first = await startRun({ ...votes.options, withPools: true });
    await until("some answers", () => first.answered() > 60);
    await first.fleet.leave(true);
    await first.batch.stop();
    const askedByFirst = votes.requests();
    const answered = votes.backends.reduce((sum, one) => sum + one.stats().answered, 0);
    expect(answered).toBe(askedByFirst);
    const second = await startRun(votes.options);
    assertWhole(await second.finish());
    expect(votes.requests()).toBe(900);
  });

  it("and another takes the batch over while it lives: each row has one result", async () => {
    const votes = await givenVotes(300, 20);
    const first = await startRun(votes.options);
    await until("some answers", () => first.answered() > 60);
    const second = await startRun(votes.options);
    await expect(first.batch.finished).rejects.toThrow(/another owner|taken over/);
    assertWhole(await second.finish());
    expect(votes.requests()).toBeLessThanOrEqual(900 + 3 * 2 * unsettled(16));
  });
});

describe("a pool that is killed in the middle of votes", () => {
  it("is followed by one that asks again what was in flight, and no more", async () => {
    const votes = await givenVotes(300, 50);
    const { fleet } = votes.options.config;
    const byTier = Object.fromEntries(tiers.map((tier, at) => [tier, votes.backends[at]!]));
    const doomed = await startPoolProcess(votes.server, fleet, byTier);
    const run = await startRun({ ...votes.options, withPools: false });
    await until("calls in flight", () => run.answered() > 30 && votes.inFlight() > 0);
    await doomed.kill();
    await until("the calls of the dead to be gone", () => votes.inFlight() === 0);
    await startPoolProcess(votes.server, fleet, byTier);
    await run.batch.finished;
    const askedAgain = await run.fleet.claims.readAskedAgain(run.batchId);
    assertWhole(await run.finish());
    expect(votes.requests()).toBeGreaterThan(900);
    expect(votes.requests()).toBeLessThanOrEqual(900 + 3 * unsettled(16));
    expect(askedAgain).toBeGreaterThanOrEqual(votes.requests() - 900);
    expect(askedAgain).toBeLessThanOrEqual(3 * unsettled(16));
  });
});

describe("a pool and an owner that go down in the middle of votes, judgements and decisions", () => {
  it("are followed by others: each row has one result, and only what was in flight is asked again", async () => {
    const server = await givenRedis();
    const latencyMs = 30;
    // Of every three rows one is agreed on at once, one by the judge, and one only by the stronger model.
    // A judge is asked in JSON, where more than the key stands before the next space.
    const kindOf = (key: string): number => Number.parseInt(key.slice(1), 10) % 3;
    const words = ["Bern", "Bern it is", "Basel"];
    const voters = await Promise.all(
      words.map((word) =>
        givenBackend({ latencyMs, answer: ({ key }) => (kindOf(key) === 0 ? "Bern" : `${word} for ${key}`) }),
      ),
    );
    const [judge, strong] = [
      await givenBackend({
        latencyMs,
        answer: ({ key }) => (kindOf(key) === 1 ? '{"groups":[[1,2],[3]]}' : '{"groups":[[1],[2],[3]]}'),
      }),
      await givenBackend({ latencyMs, answer: ({ key }) => `decided for ${key}` }),
    ];
    const [a, b, c] = voters as [SimulatedBackend, SimulatedBackend, SimulatedBackend];
    const byTier = { a, b, c, judge, strong };
    const all = Object.values(byTier);
    const sum = (of: (backend: SimulatedBackend) => number) => all.reduce((total, one) => total + of(one), 0);
    const config = givenFleetConfig(server.newFleetName(), byTier);
    const consensus: ConsensusRule = { ...twoOfThree, judge: "on-judge", escalate: "on-strong" };
    const options: RunOptions = {
      ...{ server, config, folder: temporaryFolder(), rows: givenRows(240, { consensus }), withPools: false },
    };
    const doomed = await startPoolProcess(server, config.fleet, byTier);
    const first = await startRun(options);
    await until("all kinds of calls at work", () => first.answered() > 30 && judge.inFlight > 0 && strong.inFlight > 0);
    await doomed.kill();
    await until("the calls of the dead to be gone", () => sum(({ inFlight }) => inFlight) === 0);
    await startPoolProcess(server, config.fleet, byTier);
    const before = first.answered();
    await until("more answers", () => first.answered() > before + 20);
    // The second owner takes the batch from the first, which is in the middle of it.
    const second = await startRun(options);
    await expect(first.batch.finished).rejects.toThrow(/another owner|taken over/);
    const results = await second.finish();

    expect(results.map(({ text }) => text)).toEqual(
      results.map(({ id }) => ["Bern", `Bern for ${id}`, `decided for ${id}`][kindOf(id)]),
    );
    expect(results.map(({ consensus }) => consensus?.by)).toEqual(
      results.map(({ id }) => ["text", "judge", "escalation"][kindOf(id)]),
    );
    // Votes of all, judgements of two thirds, decisions of one.
    expect(results.filter(({ consensus }) => consensus?.votes.some(({ text }) => text === null))).toEqual([]);
    const needed = 3 * 240 + 160 + 80;
    expect(sum((one) => one.requests())).toBeGreaterThan(needed);
    expect(sum((one) => one.requests())).toBeLessThanOrEqual(needed + 2 * 5 * unsettled(16));
  });
});

describe("a run that is killed several times in the middle of votes", () => {
  it("ends whole when it is run again, and asks again only what was in flight", async () => {
    const project = await givenProject({
      rows: 400,
      concurrency: 8,
      backend: { latencyMs: 20 },
      config: { models: moreModels },
    });
    const args = [
      "run",
      project.input,
      "-o",
      project.output,
      "--consensus-models",
      "small,other,third",
      "--consensus",
      "0.66",
    ];
    for (const part of [200, 500, 800]) {
      const run = project.start(args);
      await until("some votes", () => project.backend.requests() > part);
      run.signal("SIGKILL");
      await run.ended;
    }
    const { code, stderr } = await project.start(args).ended;
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    assertWhole(assertEachResultOnce(project.output, 400));
    expect(project.backend.requests()).toBeLessThanOrEqual(1_200 + 3 * unsettled(8) + 3 * 64);
  });
});

const moreModels = {
  other: { tier: "lab", model: "other-model" },
  third: { tier: "lab", model: "third-model" },
};
