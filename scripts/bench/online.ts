/**
 * What an online call by a server costs above the same call made directly, one at a time, against a SIMULATED server that
 * answers at once: node scripts/bench/online.ts [--calls N] [--program PATH]
 */
import { performance } from "node:perf_hooks";
import { Pool } from "undici";
import { type Figure, inWords, median } from "./figures.ts";
import { builtProgram } from "./fleet-run.ts";
import { printFigures, readOptions } from "./run-alone.ts";
import { type ServedProgram, startServed } from "./served-program.ts";
import { startInstantServer } from "./simulated-server.ts";
import { inWorkplace } from "./workplace.ts";

export const onlineDefaults = { calls: 2_000, program: builtProgram };

/** Milliseconds of each call. */
export interface OnlineMeasured {
  readonly direct: readonly number[];
  /** Through the server, to a tier without limits. */
  readonly online: readonly number[];
  /** The same to a tier with limits of requests and tokens: its turn is asked of Redis. */
  readonly limited: readonly number[];
  readonly figures: readonly Figure[];
}

const warmUp = 200;

export function measureOnline({ calls, program }: typeof onlineDefaults): Promise<OnlineMeasured> {
  return inWorkplace(async (directory) => {
    const backend = await startInstantServer();
    const server = await startServer(directory, program, backend.baseUrl);
    const direct = new Pool(new URL(backend.baseUrl).origin);
    const online = new Pool(server.url);
    try {
      const times = { direct: [] as number[], online: [] as number[], limited: [] as number[] };
      for (let call = 0; call < warmUp + calls; call++) {
        // One after the other, so that what disturbs the machine disturbs all.
        for (const [side, pool, model] of [
          ["direct", direct, "simulated-model"],
          ["online", online, "free"],
          ["limited", online, "paced"],
        ] as const) {
          const ms = await timeCall(pool, model, call);
          if (call >= warmUp) times[side].push(ms);
        }
      }
      return { ...times, figures: figuresOf(times) };
    } finally {
      await Promise.all([direct.destroy(), online.destroy()]);
      await server.stop();
      await backend.stop();
    }
  });
}

async function timeCall(pool: Pool, model: string, call: number): Promise<number> {
  const messages = [{ role: "user", content: `${"word ".repeat(200)} #c${call}` }];
  const startedMs = performance.now();
  const { statusCode, body } = await pool.request({
    method: "POST",
    path: "/v1/chat/completions",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, messages, max_tokens: 50 }),
  });
  const { choices } = (await body.json()) as { choices?: { message: { content: string } }[] };
  const tookMs = performance.now() - startedMs;
  if (statusCode !== 200 || choices?.[0]?.message.content !== `answer to c${call}`) {
    throw new Error(`the call of ${model} was answered with status ${statusCode}`);
  }
  return tookMs;
}

function startServer(directory: string, program: string, baseUrl: string): Promise<ServedProgram> {
  const tier = { provider: "openai-compatible", baseUrl, location: "local", concurrency: 8 };
  return startServed(directory, program, {
    tiers: { free: tier, paced: { ...tier, limits: { rpm: 1e9, tpm: 1e12 } } },
    models: { free: { tier: "free", model: "simulated-model" }, paced: { tier: "paced", model: "paced-model" } },
    tasks: { simple: { primary: "free" } },
    serve: { limits: { maxRequestsPerMinute: 1e6 } },
  });
}

function figuresOf({ direct, online, limited }: Omit<OnlineMeasured, "figures">): Figure[] {
  const above = (times: readonly number[]) => median(times) - median(direct);
  return [
    {
      what: `one call at a time through \`serve\`, median: ms above a direct call (${inWords(median(direct))} ms)`,
      figure: inWords(above(online)),
      goal: "≤ 3",
      met: above(online) <= 3,
    },
    {
      what: "the same to a tier with limits",
      figure: inWords(above(limited)),
      goal: "≤ 3",
      met: above(limited) <= 3,
    },
  ];
}

if (import.meta.main) printFigures((await measureOnline(readOptions(onlineDefaults))).figures);
