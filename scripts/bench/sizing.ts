/**
 * How well `concurrency: "auto"` finds what a server can do, against fixed numbers and a client that only goes by 429s: a
 * simulated server with 64 slots, one that changes to 16 and back, and one that slows down beyond 48 requests.
 *   node scripts/bench/sizing.ts [--seconds 30] [--program dist/src/cli.js]
 */
import { join } from "node:path";
import { type Figure, inWords } from "./figures.ts";
import { builtProgram, measureFleetRun } from "./fleet-run.ts";
import { writePrompts } from "./prompts.ts";
import { printFigures, readOptions } from "./run-alone.ts";
import { askAdditively } from "./side-aimd.ts";
import { askLimited, limitedCallsPerSecond } from "./side-bullmq-limiter.ts";
import { type ServerManners, type SimulatedServer, startSimulatedServer } from "./simulated-server.ts";
import { inWorkplace } from "./workplace.ts";

export interface SizingOptions {
  readonly program: string;
  /** Length of a run with "auto" and of the best beside it; the others get a third of it, the one with changes twice. */
  readonly seconds: number;
}

export const sizingDefaults: SizingOptions = { program: builtProgram, seconds: 30 };

const slots = 64;
const fewSlots = 16;
const knee = 48;
const latencyMs = 200;
const sigma = 0.5;
/** Mean service time of a lognormal one. */
const meanMs = latencyMs * Math.exp(sigma ** 2 / 2);
const fixedNumbers = [4, 16, 64, 256];
/** The search is over by then. */
const searchMs = 5_000;

interface Sample {
  readonly atMs: number;
  readonly inFlight: number;
  readonly busySlotMs: number;
  readonly answered: number;
}

interface Side {
  readonly samples: readonly Sample[];
  readonly busyShare: number;
  readonly perSecond: number;
}

/** Samples the server from its first request to its last. */
async function watch(server: SimulatedServer, run: () => Promise<unknown>, busySlots: number): Promise<Side> {
  const samples: Sample[] = [];
  const look = async (): Promise<void> => {
    const { spanMs, inFlight, busySlotMs, answered } = await server.stats();
    samples.push({ atMs: spanMs, inFlight, busySlotMs, answered });
  };
  const timer = setInterval(() => void look().catch(() => {}), 100);
  try {
    await run();
  } finally {
    clearInterval(timer);
  }
  const { spanMs, busySlotMs } = await server.stats();
  return { samples, busyShare: busySlotMs / (busySlots * spanMs), perSecond: rateOf(between({ samples }, 0)) };
}

/** Up to the last request at the most: then there is nothing left to send. */
function between(
  { samples }: Pick<Side, "samples">,
  fromMs: number,
  toMs = Number.POSITIVE_INFINITY,
): readonly Sample[] {
  const endMs = Math.min(toMs, samples.at(-1)?.atMs ?? 0);
  return samples.filter(({ atMs }) => atMs >= fromMs && atMs < endMs);
}

function meanInFlight(samples: readonly Sample[]): number {
  return samples.reduce((sum, { inFlight }) => sum + inFlight, 0) / samples.length;
}

/** Only of answers between the two looks: what is in flight at the end has used the server, and is not answered yet. */
function rateOf(samples: readonly Sample[]): number {
  const [first, last] = [samples[0]!, samples.at(-1)!];
  return ((last.answered - first.answered) * 1_000) / (last.atMs - first.atMs);
}

function busyOf(samples: readonly Sample[], of: number): number {
  const [first, last] = [samples[0]!, samples.at(-1)!];
  return (last.busySlotMs - first.busySlotMs) / (of * (last.atMs - first.atMs));
}

export async function measureSizing({ program, seconds }: SizingOptions): Promise<{ figures: readonly Figure[] }> {
  async function runFleet(
    manners: ServerManners,
    rows: number,
    concurrency: number | undefined,
    onRun?: (server: SimulatedServer) => Promise<void>,
  ): Promise<Side> {
    return inWorkplace(async (workplace) => {
      const input = join(workplace, "input.jsonl");
      await writePrompts(input, rows);
      const server = await startSimulatedServer(manners);
      try {
        const directory = join(workplace, "run");
        const run = () => measureFleetRun({ program, directory, input, rows, port: server.port, concurrency });
        const [side] = await Promise.all([watch(server, run, manners.slots), onRun?.(server)]);
        return side;
      } finally {
        await server.stop();
      }
    });
  }

  async function runPeer(ask: typeof askAdditively, manners: ServerManners): Promise<Side> {
    const server = await startSimulatedServer(manners);
    try {
      return await watch(server, () => ask(server.baseUrl, (seconds / 3) * 1_000), manners.slots);
    } finally {
      await server.stop();
    }
  }

  const rowsOf = (calls: number, forSeconds: number): number => Math.round((calls * forSeconds * 1_000) / meanMs);
  const fixed = { slots, latencyMs, sigma };
  const soft = { slots: 100_000, latencyMs, sigma, knee };
  const figures: Figure[] = [];

  const auto = await runFleet(fixed, rowsOf(slots, seconds), undefined);
  const held = meanInFlight(between(auto, searchMs));
  figures.push(
    {
      what: `${slots} slots of ${latencyMs} ms (lognormal), concurrency "auto", not told: share of slots busy over ${seconds} s, the search included`,
      figure: `${(100 * auto.busyShare).toFixed(1)} %`,
      goal: "≥ 95 %",
      met: auto.busyShare >= 0.95,
    },
    {
      what: "the same: requests in flight after the search, on average, for each slot",
      figure: `${inWords(held / slots)} ×`,
      goal: "≤ 1.25 ×",
      met: held <= 1.25 * slots,
    },
  );

  const changing = await runFleet(
    fixed,
    rowsOf(slots, (seconds * 4) / 3) + rowsOf(fewSlots, (seconds * 2) / 3),
    undefined,
    async (server) => {
      await waitUntilMs(server, (seconds * 2_000) / 3);
      await server.change({ slots: fewSlots });
      await waitUntilMs(server, (seconds * 4_000) / 3);
      await server.change({ slots });
    },
  );
  const [fallMs, riseMs] = [(seconds * 2_000) / 3, (seconds * 4_000) / 3];
  const fallen = meanInFlight(between(changing, fallMs + searchMs, riseMs));
  const risen = busyOf(between(changing, riseMs + searchMs, riseMs + (seconds * 2_000) / 3), slots);
  figures.push(
    {
      what: `the server changes to ${fewSlots} slots: requests in flight from 5 s after it, for each slot`,
      figure: `${inWords(fallen / fewSlots)} ×`,
      goal: "≤ 1.5 ×",
      met: fallen <= 1.5 * fewSlots,
    },
    {
      what: `and back to ${slots}: share of slots busy from 5 s after it`,
      figure: `${(100 * risen).toFixed(1)} %`,
      goal: "≥ 95 %",
      met: risen >= 0.95,
    },
  );

  const sides: string[] = [];
  const rates: number[] = [];
  for (const concurrency of fixedNumbers) {
    const one = await runFleet(fixed, rowsOf(Math.min(concurrency, slots), seconds / 3), concurrency);
    const other = await runFleet(soft, rowsOf(Math.min(concurrency, knee), seconds / 3), concurrency);
    rates.push(other.perSecond);
    sides.push(`${concurrency}: ${inWords(100 * one.busyShare)} % and ${inWords(other.perSecond)}/s`);
  }
  // The same rows, seen over the same time: of a third of them the mean service time alone is known to a percent only.
  const best = await runFleet(soft, rowsOf(knee, seconds), knee);
  const softAuto = await runFleet(soft, rowsOf(knee, seconds), undefined);
  const after = ({ samples }: Side): number => rateOf(between({ samples }, searchMs));
  const reached = after(softAuto) / Math.max(after(best), ...rates);
  const [aimd, softAimd] = [await runPeer(askAdditively, fixed), await runPeer(askAdditively, soft)];
  const [limited, softLimited] = [await runPeer(askLimited, fixed), await runPeer(askLimited, soft)];
  figures.push(
    {
      what: `a server that slows down beyond ${knee} requests: throughput after the search against the best fixed concurrency (${knee})`,
      figure: `${(100 * reached).toFixed(1)} %`,
      goal: "≥ 95 %",
      met: reached >= 0.95,
    },
    {
      what: "beside them: fixed concurrency, share of the 64 slots busy and throughput of the one that slows down",
      figure: sides.join(" · "),
      goal: "",
    },
    {
      what: `the same, one more at a time until a 429 comes (${Math.round(seconds / 3)} s)`,
      figure: `${inWords(100 * aimd.busyShare)} % and ${inWords(softAimd.perSecond)}/s`,
      goal: "",
    },
    {
      what: `the same, BullMQ's own limiter at a guessed ${limitedCallsPerSecond} calls a second`,
      figure: `${inWords(100 * limited.busyShare)} % and ${inWords(softLimited.perSecond)}/s`,
      goal: "",
    },
  );
  return { figures };
}

/** Until so long after the server's first request. */
async function waitUntilMs(server: SimulatedServer, atMs: number): Promise<void> {
  while ((await server.stats()).spanMs < atMs) await new Promise((resolve) => setTimeout(resolve, 50));
}

if (import.meta.main) printFigures((await measureSizing(readOptions(sizingDefaults))).figures);
