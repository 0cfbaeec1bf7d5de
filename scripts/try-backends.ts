/** What scripts/try-backends runs. */
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Outcome } from "../src/job/outcome.ts";
import type { PromptRequest } from "../src/job/row.ts";
import type { BackendCall, Endpoint } from "../workers/adapter.ts";
import { adapters } from "../workers/index.ts";

interface Check {
  readonly name: string;
  /** Ends that are right; some servers take any model name. */
  readonly expected: readonly Outcome["kind"][];
  readonly call: (model: string) => Partial<BackendCall>;
  /** What the server says is worth keeping. */
  readonly recorded?: true;
}

const ask = (content: string, options: Partial<PromptRequest> = {}): PromptRequest => ({
  messages: [{ role: "user", content }],
  ...options,
});
const story = ask("Write a long story about a lighthouse, with many chapters.", { maxOutputTokens: 400 });

const checks: readonly Check[] = [
  {
    name: "answer",
    recorded: true,
    expected: ["answered"],
    call: () => ({ request: ask("What is the capital of France?") }),
  },
  {
    name: "options",
    recorded: true,
    expected: ["answered"],
    call: () => ({
      request: ask("Count.", { maxOutputTokens: 3, temperature: 0.5, topP: 0.9, seed: 7, stop: ["\n"] }),
    }),
  },
  {
    name: "default limit above the context",
    expected: ["answered"],
    call: () => ({ request: ask("Say yes.", { stop: ["."] }), maxOutputTokens: 100_000, timeoutMs: 120_000 }),
  },
  {
    name: "unknown model",
    recorded: true,
    expected: ["unavailable", "answered"],
    call: () => ({ model: "no-such-model", request: ask("Hello", { maxOutputTokens: 2 }) }),
  },
  {
    name: "too long",
    recorded: true,
    expected: ["context-overflow"],
    call: () => ({ request: ask("word ".repeat(12_000)) }),
  },
  {
    name: "wrong option",
    recorded: true,
    expected: ["rejected", "answered", "server-error"],
    call: () => ({ request: ask("Hello", { maxOutputTokens: 2, temperature: -3 }) }),
  },
  { name: "abort", expected: ["cancelled"], call: () => ({ request: story, signal: AbortSignal.timeout(50) }) },
  { name: "deadline", expected: ["timed-out"], call: () => ({ request: story, timeoutMs: 60 }) },
  {
    name: "answer after those",
    expected: ["answered"],
    call: () => ({ request: ask("Say no.", { maxOutputTokens: 4 }) }),
  },
];

interface Target {
  readonly name: string;
  readonly provider: keyof typeof adapters;
  readonly url: string;
  readonly model: string | undefined;
}

function parseTarget(text: string): Target {
  const match = /^(?:([\w.-]+):)?([\w-]+)=([^#]*)(?:#(.+))?$/.exec(text);
  const provider = match?.[2] as keyof typeof adapters;
  if (match === null || !(provider in adapters)) {
    throw new Error(
      `expected [NAME:]PROVIDER=URL[#MODEL], PROVIDER one of ${Object.keys(adapters).join(", ")}: ${text}`,
    );
  }
  return { name: match[1] ?? provider, provider, url: match[3] ?? "", model: match[4] };
}

/** A proxy on loopback that keeps what it hands on, so that what is recorded is what the adapter really got. */
async function startRecorder(
  target: URL,
  folder: string,
): Promise<{ url: string; title: (name: string | undefined) => void; close: () => void }> {
  let title: string | undefined;
  let count = 0;
  mkdirSync(folder, { recursive: true });
  const server = createServer((incoming, outgoing) => {
    const { method = "GET", url: path = "/", headers } = incoming;
    const number = count++;
    const upstream = httpRequest({ host: target.hostname, port: target.port, method, path, headers }, (response) => {
      const chunks: Buffer[] = [];
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        outgoing.write(chunk);
      });
      response.on("end", () => {
        outgoing.end();
        if (title === undefined) return;
        const kept = Object.entries(response.headers).filter(([key]) => /^(content-type|retry-after)/.test(key));
        const body = Buffer.concat(chunks).toString("utf8").replaceAll(homedir(), "/home/user");
        const exchange = {
          request: { method, path },
          response: { status: response.statusCode, headers: Object.fromEntries(kept), body },
        };
        const file = join(folder, `${title.replaceAll(" ", "-")}${number > 0 ? `.${number + 1}` : ""}.json`);
        writeFileSync(file, `${JSON.stringify(exchange, null, 2)}\n`);
      });
      response.on("error", () => outgoing.destroy());
    });
    upstream.on("error", () => outgoing.destroy());
    outgoing.on("close", () => upstream.destroy());
    incoming.pipe(upstream);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${target.pathname}`,
    title(name) {
      title = name;
      count = 0;
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function shown(outcome: Outcome): string {
  if (outcome.kind !== "answered") return outcome.message;
  const { text, usage, finishReason } = outcome.answer;
  return `${finishReason}, ${usage.inputTokens}+${usage.outputTokens} tokens: ${JSON.stringify(text.slice(0, 60))}`;
}

function printRow(name: string, check: string, verdict: string, kind: string, ms: number, text: string): void {
  console.log(
    [
      name.padEnd(18),
      check.padEnd(32),
      verdict.padEnd(5),
      kind.padEnd(17),
      `${Math.round(ms)} ms`.padStart(9),
      ` ${text.slice(0, 150)}`,
    ].join(" "),
  );
}

async function modelOf(endpoint: Endpoint, target: Target): Promise<string | undefined> {
  const startedAtMs = performance.now();
  const probe = await endpoint.probe(AbortSignal.timeout(20_000));
  const ms = performance.now() - startedAtMs;
  const words = probe.usable ? probe.models.join(", ") : probe.outcome.message;
  printRow(
    target.name,
    "probe",
    probe.usable ? "ok" : "WRONG",
    probe.usable ? "usable" : probe.outcome.kind,
    ms,
    words,
  );
  return probe.usable ? (target.model ?? probe.models[0]) : undefined;
}

async function tryTarget(target: Target, recordFolder: string | undefined): Promise<number> {
  const recorder =
    recordFolder && target.url ? await startRecorder(new URL(target.url), join(recordFolder, target.name)) : undefined;
  const endpoint = adapters[target.provider].connect({
    tier: target.name,
    baseUrl: recorder?.url ?? target.url,
    location: "local",
    trustedHosts: [],
    concurrency: 4,
  });
  let wrong = 0;
  try {
    recorder?.title("probe");
    const model = await modelOf(endpoint, target);
    if (model === undefined) return 1;
    for (const check of checks) {
      recorder?.title(check.recorded && check.name);
      const startedAtMs = performance.now();
      const outcome = await endpoint.call({
        model,
        request: ask(""),
        maxOutputTokens: 24,
        defaults: {},
        strict: false,
        private: true,
        signal: new AbortController().signal,
        timeoutMs: 60_000,
        ...check.call(model),
      });
      const right = check.expected.includes(outcome.kind);
      if (!right) wrong++;
      printRow(
        target.name,
        check.name,
        right ? "ok" : "WRONG",
        outcome.kind,
        performance.now() - startedAtMs,
        shown(outcome),
      );
    }
  } finally {
    await endpoint.close();
    recorder?.close();
  }
  return wrong;
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { record: { type: "string" } } });
let wrong = positionals.length === 0 ? 1 : 0;
if (wrong > 0) console.error("Which servers? For example: scripts/try-backends ollama=http://127.0.0.1:11434");
for (const target of positionals.map(parseTarget)) wrong += await tryTarget(target, values.record);
process.exitCode = wrong > 0 ? 1 : 0;
