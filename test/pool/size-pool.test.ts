import { expect, test } from "vitest";
import { callsForNeed } from "../../src/pool/size-pool.ts";
import { seededRandom } from "../support/simulated-answers.ts";
import {
  lognormal,
  type ServiceModel,
  type ServiceRun,
  type ServiceSample,
  type SimulatedClient,
  simulateService,
} from "../support/simulated-service.ts";
import { sizedClient, sizedFleet } from "../support/sized-client.ts";

const seeds = [1, 2, 3, 4, 5, 6, 7];
const answerMs = lognormal(200, 0.5);
const fixedSlots = (slots: number): ServiceModel => ({ slots, workMs: answerMs });

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

const at = (samples: readonly ServiceSample[], atMs: number): ServiceSample => samples[Math.round(atMs / 100) - 1]!;

function busyShare(samples: readonly ServiceSample[], slots: number, fromMs: number, toMs: number): number {
  const before = fromMs === 0 ? 0 : at(samples, fromMs).busyMs;
  return (at(samples, toMs).busyMs - before) / slots / (toMs - fromMs);
}

function meanInFlight(samples: readonly ServiceSample[], fromMs: number, toMs: number): number {
  const seen = samples.filter(({ atMs }) => atMs > fromMs && atMs <= toMs);
  return seen.reduce((sum, { inFlight }) => sum + inFlight, 0) / seen.length;
}

function answersOf(samples: readonly ServiceSample[], fromMs: number): number {
  return samples.at(-1)!.answered - at(samples, fromMs).answered;
}

/** Answers at the best fixed concurrency, found by trying. */
function bestFixed(model: ServiceModel, forMs: number, fromMs: number): number {
  const tried = [1, 2, 4, 8, 12, 16, 24, 32, 40, 48, 56, 64, 80, 96, 128, 192, 256, 384].map((calls) => {
    const client: SimulatedClient = { limit: () => calls, onStart() {}, onEnd() {} };
    return answersOf(simulateService({ model, clients: [client], forMs, random: seededRandom(99) }), fromMs);
  });
  return Math.max(...tried);
}

function shareOfBest(model: ServiceModel, forMs: number, fromMs: number): number {
  const best = bestFixed(model, forMs, fromMs);
  return medianOf(runsOf(model, forMs).map((samples) => answersOf(samples, fromMs) / best));
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
  expect(medianOf(runs.map((samples) => busyShare(samples, 16, 25_000, 40_000)))).toBeGreaterThan(0.94);
  expect(medianOf(runs.map((samples) => busyShare(samples, 64, 44_000, 46_000)))).toBeGreaterThan(0.9);
  expect(medianOf(runs.map((samples) => busyShare(samples, 64, 45_000, 60_000)))).toBeGreaterThan(0.95);
});

test("is not misled when answers become four times as long", () => {
  const changes = [{ atMs: 15_000, model: { slots: 64, workMs: lognormal(800, 0.5) } }];
  const runs = runsOf(fixedSlots(64), 60_000, { changes });
  expect(medianOf(runs.map((samples) => busyShare(samples, 64, 30_000, 60_000)))).toBeGreaterThan(0.9);
});

test("finds the best of a server whose latency grows past 48 calls in flight", () => {
  const soft: ServiceModel = { workMs: answerMs, speed: (active) => Math.min(1, (48 / active) ** 1.5) };
  expect(shareOfBest(soft, 60_000, 10_000)).toBeGreaterThan(0.93);
});

test("does not drown a server that does less the more waits at it", () => {
  const degrading: ServiceModel = { slots: 32, workMs: answerMs, speed: (_, queued) => 1 / (1 + 0.02 * queued) };
  expect(shareOfBest(degrading, 60_000, 10_000)).toBeGreaterThan(0.88);
});

test("climbs where a batch of more calls is worked on more slowly, and yet brings more, as on a GPU", () => {
  const gpu: ServiceModel = { slots: 256, workMs: answerMs, speed: (active) => 1 / (1 + active / 80) };
  expect(shareOfBest(gpu, 120_000, 30_000)).toBeGreaterThan(0.85);
});

test("finds its way where long and short answers are mixed", () => {
  const workMs = (random: () => number): number =>
    (random() < 0.2 ? lognormal(1_000, 0.5) : lognormal(100, 0.5))(random);
  expect(shareOfBest({ slots: 64, workMs }, 60_000, 20_000)).toBeGreaterThan(0.9);
});

test("finds its way where the server's pace wavers by a third", () => {
  const runs = seeds.map((seed) => {
    const wave = seededRandom(seed + 100);
    let pace = 1;
    let ticks = 0;
    const client = sizedClient();
    const wavering: SimulatedClient = {
      ...client,
      limit: () => client.size.limit(),
      onTick(nowMs, gauges) {
        if (ticks++ % 5 === 0) pace = 0.7 + 0.6 * wave();
        client.onTick?.(nowMs, gauges);
      },
    };
    const model: ServiceModel = { slots: 64, workMs: answerMs, speed: () => pace };
    return simulateService({ model, clients: [wavering], forMs: 60_000, random: seededRandom(seed) });
  });
  expect(medianOf(runs.map((samples) => busyShare(samples, 64, 10_000, 60_000)))).toBeGreaterThan(0.93);
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
  const clients = () => [sizedClient({ seesGauges: true })];
  const gpu: ServiceModel = { slots: 16, workMs: lognormal(400, 0.4), speed: (active) => 1 / (1 + active / 4) };
  const runs = runsOf(gpu, 60_000, {}, clients);
  const best = bestFixed(gpu, 60_000, 15_000);
  expect(medianOf(runs.map((samples) => answersOf(samples, 15_000) / best))).toBeGreaterThan(0.93);
  expect(medianOf(runs.map((samples) => meanInFlight(samples, 15_000, 60_000)))).toBeLessThan(20);
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

test("a tier that a quota paces gets the calls that its rate needs", () => {
  expect(callsForNeed(50, 2_000)).toBe(126);
  expect(callsForNeed(0, 2_000)).toBe(1);
});
