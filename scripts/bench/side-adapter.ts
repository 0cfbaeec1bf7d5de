/**
 * A side of adapters.ts: calls one adapter, or undici alone, and prints the CPU µs of a call; the start of the process
 * and its warming up are left out.
 *   node side-adapter.ts undici|PROVIDER ORIGIN CALLS CONCURRENCY
 */
import { Pool } from "undici";
import { adapters } from "../../workers/index.ts";

const [side = "", origin = "", calls = "", concurrency = ""] = process.argv.slice(2);
const prompt = "Say what this is for. ".repeat(46);
const messages = [{ role: "user" as const, content: prompt }];
const { signal } = new AbortController();

type Ask = () => Promise<unknown>;

function undiciAlone(): Ask {
  const pool = new Pool(origin, { connections: Number(concurrency) });
  return async () => {
    const { body } = await pool.request({
      method: "POST",
      path: "/v1/chat/completions",
      headers: { "content-type": "application/json", authorization: "Bearer key" },
      body: JSON.stringify({ model: "simulated-model", messages, max_tokens: 100 }),
    });
    const answer = (await body.json()) as { choices: [{ message: { content: string } }] };
    return answer.choices[0].message.content;
  };
}

function throughAdapter(provider: keyof typeof adapters): Ask {
  const endpoint = adapters[provider].connect({
    tier: "bench",
    baseUrl: provider.startsWith("openai") ? `${origin}/v1` : origin,
    apiKey: "key",
    location: "local",
    trustedHosts: [],
    concurrency: Number(concurrency),
  });
  const call = {
    model: "simulated-model",
    request: { messages },
    maxOutputTokens: 100,
    defaults: {},
    strict: false,
    private: false,
    signal,
    timeoutMs: 60_000,
  };
  return async () => {
    const outcome = await endpoint.call(call);
    if (outcome.kind !== "answered") throw new Error(`${provider}: ${JSON.stringify(outcome)}`);
  };
}

async function askMany(ask: Ask, count: number): Promise<void> {
  let left = count;
  async function askOn(): Promise<void> {
    while (left-- > 0) await ask();
  }
  await Promise.all(Array.from({ length: Number(concurrency) }, askOn));
}

const ask = side === "undici" ? undiciAlone() : throughAdapter(side as keyof typeof adapters);
await askMany(ask, Math.ceil(Number(calls) / 2));
const before = process.cpuUsage();
await askMany(ask, Number(calls));
const { user, system } = process.cpuUsage(before);
console.log((user + system) / Number(calls));
process.exit();
