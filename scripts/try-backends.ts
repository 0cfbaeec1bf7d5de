/** What scripts/try-backends runs. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { providerFacts } from "../src/config/providers.ts";
import type { OtherEndpoint } from "../src/job/endpoints.ts";
import type { Outcome } from "../src/job/outcome.ts";
import type { PromptRequest } from "../src/job/row.ts";
import type { BackendCall, Endpoint } from "../workers/adapter.ts";
import { adapters } from "../workers/index.ts";
import { startRecorder } from "./real/record.ts";
import { runTarget } from "./real/run-target.ts";
import { startServers } from "./real/servers.ts";
import { parseTarget, type Target } from "./real/target.ts";
import { programs, tryProgram } from "./try-program.ts";

interface Check {
  readonly name: string;
  /** Ends that are right; some servers take any model name. */
  readonly expected: readonly Outcome["kind"][];
  readonly call: (model: string) => Partial<BackendCall>;
  /** Tried where the provider has it. */
  readonly endpoint?: OtherEndpoint;
  /** What the server says is worth keeping. */
  readonly recorded?: true;
}

const ask = (content: string, options: Partial<PromptRequest> = {}): PromptRequest => ({
  messages: [{ role: "user", content }],
  ...options,
});
const askAt = (endpoint: OtherEndpoint, openaiBody: object) => (): Partial<BackendCall> => ({
  request: { messages: [], endpoint, openaiBody: { ...openaiBody } },
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
  {
    name: "completion",
    recorded: true,
    expected: ["answered"],
    endpoint: "/v1/completions",
    call: askAt("/v1/completions", { prompt: "The capital of France is", max_tokens: 4 }),
  },
  {
    name: "response",
    recorded: true,
    expected: ["answered"],
    endpoint: "/v1/responses",
    call: askAt("/v1/responses", { input: "Say yes.", max_output_tokens: 4 }),
  },
  {
    name: "embedding",
    recorded: true,
    // Most servers embed with a model for that alone, or when they are told to.
    expected: ["answered", "rejected"],
    endpoint: "/v1/embeddings",
    call: askAt("/v1/embeddings", { input: "one" }),
  },
  { name: "abort", expected: ["cancelled"], call: () => ({ request: story, signal: AbortSignal.timeout(50) }) },
  { name: "deadline", expected: ["timed-out"], call: () => ({ request: story, timeoutMs: 60 }) },
  {
    name: "answer after those",
    expected: ["answered"],
    call: () => ({ request: ask("Say no.", { maxOutputTokens: 4 }) }),
  },
];

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
  const folder = recordFolder && join(recordFolder, target.name);
  const program = programs[target.provider];
  const trial = program && tryProgram(program, target.url, folder);
  const proxy = !program && folder && target.url ? await startRecorder(new URL(target.url), folder) : undefined;
  const recorder = trial ?? proxy;
  const endpoint =
    trial?.endpoint ??
    adapters[target.provider].connect({
      tier: target.name,
      baseUrl: proxy?.url ?? target.url,
      location: "local",
      trustedHosts: [],
      concurrency: 4,
    });
  let wrong = 0;
  try {
    recorder?.title("probe");
    const model = await modelOf(endpoint, target);
    if (model === undefined) return 1;
    const has = (endpoint: OtherEndpoint) => providerFacts[target.provider].endpoints?.includes(endpoint) === true;
    for (const check of checks.filter(({ endpoint }) => endpoint === undefined || has(endpoint))) {
      recorder?.title(check.recorded && check.name);
      const startedAtMs = performance.now();
      const outcome = await endpoint.call({
        model,
        request: ask(""),
        maxOutputTokens: 24,
        defaults: {},
        strict: false,
        private: program === undefined,
        signal: new AbortController().signal,
        timeoutMs: 60_000,
        ...check.call(model),
      });
      // Programs set no limit to an answer: a small model may fill its context.
      const right =
        check.expected.includes(outcome.kind) || (program !== undefined && outcome.kind === "context-overflow");
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

/** Through the whole program, `promptfleet run`, instead of an adapter alone. */
async function tryRuns(targets: readonly Target[], options: Parameters<typeof startServers>[0]): Promise<number> {
  const servers = await startServers(options);
  let wrong = 0;
  try {
    for (const target of [...targets, ...servers.targets]) {
      const startedAtMs = performance.now();
      const verdicts = await runTarget(target);
      const ms = performance.now() - startedAtMs;
      for (const { check, right, text } of verdicts) {
        if (!right) wrong++;
        printRow(target.name, check, right ? "ok" : "WRONG", target.provider, ms, text);
      }
    }
  } finally {
    await servers.close();
  }
  return wrong;
}

const text = { type: "string" } as const;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    record: text,
    run: { type: "boolean", default: false },
    backends: text,
    only: text,
    litellm: text,
    claude: text,
    aichat: text,
  },
});
const targets = positionals.map(parseTarget);
let wrong = 0;
if (values.run) wrong = await tryRuns(targets, { ...values, only: values.only?.split(",") ?? [] });
else if (targets.length === 0) {
  wrong = 1;
  console.error("Which servers? For example: scripts/try-backends ollama=http://127.0.0.1:11434");
} else for (const target of targets) wrong += await tryTarget(target, values.record);
process.exitCode = wrong > 0 ? 1 : 0;
