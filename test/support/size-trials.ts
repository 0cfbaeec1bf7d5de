import { seededRandom } from "./simulated-answers.ts";
import {
  lognormal,
  type ServiceModel,
  type ServiceRun,
  type ServiceSample,
  type SimulatedClient,
  simulateService,
} from "./simulated-service.ts";
import { type SizedClient, sizedClient } from "./sized-client.ts";

/** One SIMULATED server to try sizes on, and the time that counts. */
export interface SizeTrial {
  readonly model: ServiceModel;
  readonly changes?: NonNullable<ServiceRun["changes"]>;
  /** Its pace is another each half second, between 1 - this and 1 + this. Default 0. */
  readonly wavers?: number;
  readonly start?: number;
  readonly seesGauges?: boolean;
  readonly forMs: number;
  /** What was before does not count: the search, or a change that is still being followed. */
  readonly fromMs: number;
}

const answerMs = lognormal(200, 0.5);
export const fixedSlots = (slots: number): ServiceModel => ({ slots, workMs: answerMs });
const softKnee = (active: number): number => Math.min(1, (48 / active) ** 1.5);
const change = (forMs: number, fromMs: number, ...changes: [atMs: number, model: ServiceModel][]): SizeTrial => ({
  model: fixedSlots(64),
  changes: changes.map(([atMs, model]) => ({ atMs, model })),
  forMs,
  fromMs,
});

/** 16 sequences at a time, and answers that all have the same number of tokens: what was sent together ends together. */
const batchesOfAlike = {
  slots: 16,
  workMs: () => 256,
  speed: (active: number) => 1 / (1 + active / 16),
};

export const sizeTrials = {
  "1 slot": { model: fixedSlots(1), forMs: 60_000, fromMs: 20_000 },
  "4 slots": { model: fixedSlots(4), forMs: 60_000, fromMs: 20_000 },
  "16 slots": { model: fixedSlots(16), forMs: 60_000, fromMs: 20_000 },
  "50 slots": { model: fixedSlots(50), forMs: 60_000, fromMs: 20_000 },
  "300 slots": { model: fixedSlots(300), forMs: 60_000, fromMs: 20_000 },
  "64 slots, the search included": { model: fixedSlots(64), forMs: 30_000, fromMs: 0 },
  "64 slots": { model: fixedSlots(64), forMs: 30_000, fromMs: 5_000 },
  "64 slots that answer all alike": { model: { slots: 64, workMs: () => 227 }, forMs: 30_000, fromMs: 5_000 },
  "64 to 16 slots, 5 s after": change(40_000, 25_000, [20_000, fixedSlots(16)]),
  "64 to 16 to 64 slots, 5 s after": change(60_000, 45_000, [20_000, fixedSlots(16)], [40_000, fixedSlots(64)]),
  "64 to 256 slots, 10 s after": change(60_000, 30_000, [20_000, fixedSlots(256)]),
  "answers four times as long": change(60_000, 30_000, [15_000, { slots: 64, workMs: lognormal(800, 0.5) }]),
  "soft knee": { model: { workMs: answerMs, speed: softKnee }, forMs: 60_000, fromMs: 10_000 },
  "soft knee, 30 s": { model: { workMs: answerMs, speed: softKnee }, forMs: 30_000, fromMs: 5_000 },
  "soft knee when a call begins": {
    model: { workMs: answerMs, startSpeed: softKnee },
    forMs: 30_000,
    fromMs: 5_000,
  },
  degrading: {
    model: { slots: 32, workMs: answerMs, speed: (_, queued) => 1 / (1 + 0.02 * queued) },
    forMs: 60_000,
    fromMs: 10_000,
  },
  "batches of a GPU": {
    model: { slots: 256, workMs: answerMs, speed: (active) => 1 / (1 + active / 80) },
    forMs: 120_000,
    fromMs: 30_000,
  },
  "long and short answers": {
    model: {
      slots: 64,
      workMs: (random) => (random() < 0.2 ? lognormal(1_000, 0.5) : lognormal(100, 0.5))(random),
    },
    forMs: 60_000,
    fromMs: 20_000,
  },
  "pace that wavers by a third": { model: fixedSlots(64), wavers: 0.3, forMs: 60_000, fromMs: 10_000 },
  "2 slots of half a minute": {
    model: { slots: 2, workMs: lognormal(28_000, 0.4) },
    start: 2,
    forMs: 3_600_000,
    fromMs: 600_000,
  },
  "16 slots, started at 64": { model: fixedSlots(16), start: 64, forMs: 60_000, fromMs: 20_000 },
  "refuses beyond 8 slots and 4 waiting": {
    model: { slots: 8, workMs: answerMs, longestQueue: 4 },
    forMs: 60_000,
    fromMs: 10_000,
  },
  "batches of 16, with gauges": {
    model: { slots: 16, workMs: lognormal(400, 0.4), speed: (active) => 1 / (1 + active / 4) },
    seesGauges: true,
    forMs: 60_000,
    fromMs: 15_000,
  },
  "the same, and its pace wavers": {
    model: { slots: 16, workMs: lognormal(400, 0.4), speed: (active) => 1 / (1 + active / 4) },
    wavers: 0.4,
    seesGauges: true,
    forMs: 60_000,
    fromMs: 15_000,
  },
  "batches of 16 alike, far away": {
    model: { ...batchesOfAlike, onTheWayMs: lognormal(120, 0.5) },
    seesGauges: true,
    forMs: 60_000,
    fromMs: 15_000,
  },
  "the same, without gauges": {
    model: { ...batchesOfAlike, onTheWayMs: lognormal(120, 0.5) },
    forMs: 60_000,
    fromMs: 15_000,
  },
  "batches of 16 on a busy machine": {
    model: { ...batchesOfAlike, onTheWayMs: lognormal(120, 1) },
    wavers: 0.3,
    seesGauges: true,
    forMs: 60_000,
    fromMs: 15_000,
  },
  "more with a queue, with gauges": {
    model: { slots: 16, workMs: answerMs, speed: (_, queued) => 1 + 0.33 * (1 - Math.exp(-queued / 8)) },
    seesGauges: true,
    forMs: 60_000,
    fromMs: 15_000,
  },
  "more with a queue": {
    model: { slots: 16, workMs: answerMs, speed: (_, queued) => 1 + 0.33 * (1 - Math.exp(-queued / 8)) },
    forMs: 60_000,
    fromMs: 15_000,
  },
  "16 slots, with gauges": { model: fixedSlots(16), seesGauges: true, forMs: 60_000, fromMs: 20_000 },
  "soft knee, with gauges": {
    model: { workMs: answerMs, speed: softKnee },
    seesGauges: true,
    forMs: 60_000,
    fromMs: 10_000,
  },
} satisfies Record<string, SizeTrial>;

export interface SizeRun {
  readonly samples: readonly ServiceSample[];
  readonly client: SizedClient;
}

export function runTrial(trial: SizeTrial, seed: number): SizeRun {
  const { start, seesGauges } = trial;
  const client = sizedClient({ ...(start === undefined ? {} : { start }), ...(seesGauges ? { seesGauges } : {}) });
  return { client, samples: serve(trial, client, seed) };
}

export function serve(
  { model, changes, wavers = 0, forMs }: SizeTrial,
  client: SimulatedClient,
  seed: number,
): ServiceSample[] {
  const wave = seededRandom(seed + 100);
  let pace = 1;
  let ticks = 0;
  const onTick: NonNullable<SimulatedClient["onTick"]> = (nowMs, gauges) => {
    if (ticks++ % 5 === 0) pace = 1 - wavers + 2 * wavers * wave();
    client.onTick?.(nowMs, gauges);
  };
  const { speed = () => 1 } = model;
  const wavering =
    wavers === 0 ? model : { ...model, speed: (active: number, queued: number) => pace * speed(active, queued) };
  return simulateService({
    model: wavering,
    ...(changes === undefined ? {} : { changes }),
    clients: [{ ...client, limit: (nowMs) => client.limit(nowMs), onTick }],
    forMs,
    random: seededRandom(seed),
  });
}

export const at = (samples: readonly ServiceSample[], atMs: number): ServiceSample =>
  samples[Math.round(atMs / 100) - 1]!;

export function answersBetween(samples: readonly ServiceSample[], fromMs: number, toMs: number): number {
  return at(samples, toMs).answered - (fromMs === 0 ? 0 : at(samples, fromMs).answered);
}

export function meanInFlight(samples: readonly ServiceSample[], fromMs: number, toMs: number): number {
  const seen = samples.filter(({ atMs }) => atMs > fromMs && atMs <= toMs);
  return seen.reduce((sum, { inFlight }) => sum + inFlight, 0) / seen.length;
}

const tried = [
  1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20, 24, 28, 32, 36, 40, 44, 48, 50, 52, 56, 60, 64, 68, 72,
].concat([80, 96, 112, 128, 144, 160, 192, 224, 256, 288, 300, 304, 320, 384]);

/** The best fixed number of calls in flight, found by trying, and the fewest that bring 99 % of that. */
export function bestFixed(trial: SizeTrial): { readonly answers: number; readonly fewest: number } {
  const { fromMs, forMs } = trial;
  const answers = tried.map((calls) => {
    const client: SimulatedClient = { limit: () => calls, onStart() {}, onEnd() {} };
    const runs = [96, 97, 98, 99].map((seed) => answersBetween(serve(trial, client, seed), fromMs, forMs));
    return runs.reduce((sum, one) => sum + one) / runs.length;
  });
  const best = Math.max(...answers);
  return { answers: best, fewest: tried[answers.findIndex((one) => one >= 0.99 * best)]! };
}
