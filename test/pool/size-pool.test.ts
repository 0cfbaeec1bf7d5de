import { expect, test } from "vitest";
import { afterGauges, startSize } from "../../src/pool/size-pool.ts";
import { seededRandom } from "../support/simulated-answers.ts";
import {
  lognormal,
  type ServiceModel,
  type ServiceRun,
  type ServiceSample,
  type SimulatedClient,
  simulateService,
} from "../support/simulated-service.ts";
import {
  answersBetween,
  at,
  bestFixed,
  fixedSlots,
  meanInFlight,
  runTrial,
  type SizeTrial,
  sizeTrials,
} from "../support/size-trials.ts";
import { sizedClient, sizedFleet } from "../support/sized-client.ts";

const seeds = [1, 2, 3, 4, 5, 6, 7];
const answerMs = lognormal(200, 0.5);

function runsOf(
  model: ServiceModel,
  forMs: number,
  more: Partial<ServiceRun> = {},
  clientsOf: () => readonly SimulatedClient[] = () => [sizedClient()],
): ServiceSample[][] {
  return seeds.map((seed) =>
    simulateService({ model, clients: clientsOf(), forMs, random: seededRandom(seed), ...more }),
  );
}

function medianOf(values: readonly number[]): number {
  return [...values].sort((one, other) => one - other)[values.length >> 1]!;
}

function busyShare(samples: readonly ServiceSample[], slots: number, fromMs: number, toMs: number): number {
  const before = fromMs === 0 ? 0 : at(samples, fromMs).busyMs;
  return (at(samples, toMs).busyMs - before) / slots / (toMs - fromMs);
}

const answersOf = (samples: readonly ServiceSample[], fromMs: number): number =>
  answersBetween(samples, fromMs, samples.at(-1)!.atMs);

function medianShareOfBest(trial: SizeTrial): number {
  const best = bestFixed(trial);
  return medianOf(seeds.map((seed) => answersOf(runTrial(trial, seed).samples, trial.fromMs) / best.answers));
}

test("keeps 64 slots busy from the first second on, without holding many more calls than that", () => {
  const runs = runsOf(fixedSlots(64), 30_000);
  expect(medianOf(runs.map((samples) => busyShare(samples, 64, 0, 30_000)))).toBeGreaterThan(0.95);
  expect(medianOf(runs.map((samples) => busyShare(samples, 64, 5_000, 30_000)))).toBeGreaterThan(0.975);
  expect(medianOf(runs.map((samples) => meanInFlight(samples, 5_000, 30_000)))).toBeLessThan(1.25 * 64);
});

test.each([
  [1, 4],
  [4, 8],
  [16, 26],
  [50, 65],
  [300, 345],
])("finds %i slots and holds no more than %i calls there", (slots, most) => {
  const runs = runsOf(fixedSlots(slots), 60_000);
  expect(medianOf(runs.map((samples) => busyShare(samples, slots, 20_000, 60_000)))).toBeGreaterThan(0.93);
  expect(medianOf(runs.map((samples) => meanInFlight(samples, 20_000, 60_000)))).toBeLessThan(most);
});

test("follows a server that falls from 64 slots to 16 and comes back, within five seconds each", () => {
  const changes = [
    { atMs: 20_000, model: fixedSlots(16) },
    { atMs: 40_000, model: fixedSlots(64) },
  ];
  const runs = runsOf(fixedSlots(64), 60_000, { changes });
  expect(medianOf(runs.map((samples) => meanInFlight(samples, 24_000, 26_000)))).toBeLessThan(2 * 16);
  expect(medianOf(runs.map((samples) => meanInFlight(samples, 25_000, 40_000)))).toBeLessThan(1.5 * 16);
  expect(medianOf(runs.map((samples) => busyShare(samples, 16, 25_000, 40_000)))).toBeGreaterThan(0.94);
  expect(medianOf(runs.map((samples) => busyShare(samples, 64, 44_000, 46_000)))).toBeGreaterThan(0.9);
  expect(medianOf(runs.map((samples) => busyShare(samples, 64, 45_000, 60_000)))).toBeGreaterThan(0.95);
});

test("is not misled when answers become four times as long", () => {
  const changes = [{ atMs: 15_000, model: { slots: 64, workMs: lognormal(800, 0.5) } }];
  const runs = runsOf(fixedSlots(64), 60_000, { changes });
  expect(medianOf(runs.map((samples) => busyShare(samples, 64, 30_000, 60_000)))).toBeGreaterThan(0.9);
});

test("follows a server that takes four times as much all at once", () => {
  expect(medianShareOfBest(sizeTrials["64 to 256 slots, 10 s after"])).toBeGreaterThan(0.95);
});

test.each([
  ["a server whose latency grows past 48 calls in flight", "soft knee", 0.955],
  ["one that is slower for the calls that begin past 48", "soft knee when a call begins", 0.96],
  ["one that does less the more waits at it", "degrading", 0.94],
  ["one that works more slowly on more calls, and yet brings more, as a GPU does", "batches of a GPU", 0.945],
] as const)("finds the best of %s", (_title, name, least) => {
  expect(medianShareOfBest(sizeTrials[name])).toBeGreaterThan(least);
});

test("finds its way where long and short answers are mixed", () => {
  expect(medianShareOfBest(sizeTrials["long and short answers"])).toBeGreaterThan(0.93);
});

test("finds its way where the server's pace wavers by a third", () => {
  const runs = seeds.map((seed) => runTrial(sizeTrials["pace that wavers by a third"], seed).samples);
  expect(medianOf(runs.map((samples) => busyShare(samples, 64, 10_000, 60_000)))).toBeGreaterThan(0.93);
  expect(medianOf(runs.map((samples) => meanInFlight(samples, 10_000, 60_000)))).toBeLessThan(2 * 64);
});

test("keeps a server busy whose answers all take equally long", () => {
  const runs = runsOf({ slots: 64, workMs: () => 227 }, 30_000);
  expect(medianOf(runs.map((samples) => busyShare(samples, 64, 5_000, 30_000)))).toBeGreaterThan(0.95);
});

test("keeps a laptop of two slots busy whose answers take half a minute", () => {
  const clients = () => [sizedClient({ start: 2 })];
  const runs = runsOf({ slots: 2, workMs: lognormal(28_000, 0.4) }, 3_600_000, {}, clients);
  expect(medianOf(runs.map((samples) => busyShare(samples, 2, 0, 3_600_000)))).toBeGreaterThan(0.93);
  expect(medianOf(runs.map((samples) => meanInFlight(samples, 600_000, 3_600_000)))).toBeLessThan(5);
});

test("comes down by itself where it started with four times too much", () => {
  const clients = () => [sizedClient({ start: 64 })];
  const runs = runsOf(fixedSlots(16), 60_000, {}, clients);
  expect(medianOf(runs.map((samples) => meanInFlight(samples, 20_000, 60_000)))).toBeLessThan(30);
});

test("learns nothing wrong while too few rows come to fill it", () => {
  const clients = () => [sizedClient({ rowsPerSecond: 40 })];
  const runs = runsOf(fixedSlots(64), 60_000, {}, clients);
  for (const samples of runs) expect(answersOf(samples, 100)).toBeGreaterThan(0.97 * 40 * 59);
});

test("goes by the server's own count of what waits there, where it tells", () => {
  const trial = sizeTrials["batches of 16, with gauges"];
  expect(medianShareOfBest(trial)).toBeGreaterThan(0.93);
  const runs = seeds.map((seed) => runTrial(trial, seed).samples);
  expect(medianOf(runs.map((samples) => meanInFlight(samples, 15_000, 60_000)))).toBeLessThan(20);
});

test("does not look far below what a server works on that shows its queue", () => {
  for (const name of ["batches of 16, with gauges", "the same, and its pace wavers"] as const) {
    const trial = sizeTrials[name];
    const best = bestFixed(trial);
    const shares = Array.from(
      { length: 40 },
      (_, seed) => answersOf(runTrial(trial, seed + 1).samples, trial.fromMs) / best.answers,
    ).sort((one, other) => one - other);
    expect(shares[4]).toBeGreaterThan(0.945);
  }
});

test("does not believe that nothing waits while the server counts hardly any of the calls it was sent", () => {
  const size = startSize({ start: 16, most: 64 });
  expect(afterGauges(size, { running: 0, waiting: 0 }, 16).hasRoom).toBeUndefined();
  expect(afterGauges(size, { running: 16, waiting: 0 }, 16).hasRoom).toBe(true);
});

test("one look at calls that wait for a moment cuts nothing, two do, and so does one at more than are worked on", () => {
  const size = { ...startSize({ start: 20, most: 64 }), settling: 0 };
  const once = afterGauges(size, { running: 14, waiting: 6 }, 20);
  expect(once.limit).toBe(size.limit);
  expect(afterGauges(once, { running: 16, waiting: 4 }, 20).limit).toBeLessThan(size.limit);
  expect(afterGauges(once, { running: 20, waiting: 0 }, 20).limit).toBe(size.limit);
  expect(afterGauges(size, { running: 6, waiting: 14 }, 20).limit).toBeLessThan(size.limit);
});

test("backs off from a server that refuses calls, and is refused seldom after that", () => {
  let refusals = 0;
  const clients = () => {
    const client = sizedClient();
    return [
      {
        ...client,
        limit: () => client.size.limit(),
        onEnd(nowMs: number, latencyMs: number, kind: "answered" | "refused") {
          if (kind === "refused" && nowMs > 10_000) refusals++;
          client.onEnd(nowMs, latencyMs, kind);
        },
      },
    ];
  };
  const runs = runsOf({ slots: 8, workMs: answerMs, longestQueue: 4 }, 60_000, {}, clients);
  const answers = runs.reduce((sum, samples) => sum + answersOf(samples, 10_000), 0);
  expect(refusals / answers).toBeLessThan(0.01);
  expect(medianOf(runs.map((samples) => busyShare(samples, 8, 10_000, 60_000)))).toBeGreaterThan(0.9);
});

test.each([2, 4])("%i processes share one server evenly, and do not drown it", (count) => {
  const runs = runsOf(fixedSlots(64), 90_000, {}, () => sizedFleet(count));
  expect(medianOf(runs.map((samples) => busyShare(samples, 64, 40_000, 90_000)))).toBeGreaterThan(0.9);
  expect(medianOf(runs.map((samples) => meanInFlight(samples, 40_000, 90_000)))).toBeLessThan(1.5 * 64);
  for (const samples of runs) {
    const { limits } = samples.at(-1)!;
    // All but the one that searches have the same.
    const followers = limits.slice(1);
    expect(Math.max(...followers) - Math.min(...followers)).toBeLessThan(0.25 * Math.max(...followers) + 2);
  }
});

test("the rest divide it anew when the process that searches dies, and make room for one that joins", () => {
  const livesAt = (client: number, nowMs: number): boolean =>
    client === 0 ? nowMs < 40_000 : client === 1 || nowMs >= 20_000;
  const runs = runsOf(fixedSlots(64), 90_000, { livesAt }, () => sizedFleet(3));
  expect(medianOf(runs.map((samples) => busyShare(samples, 64, 25_000, 40_000)))).toBeGreaterThan(0.9);
  expect(medianOf(runs.map((samples) => busyShare(samples, 64, 55_000, 90_000)))).toBeGreaterThan(0.9);
  expect(medianOf(runs.map((samples) => meanInFlight(samples, 55_000, 90_000)))).toBeLessThan(1.5 * 64);
});
