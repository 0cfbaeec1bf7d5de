import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readVariable } from "../../src/config/environment.ts";
import type { ResultLine } from "../../src/job/result.ts";
import type { Target } from "./target.ts";

/** A target with what its provider needs beside an address. */
export interface RunTarget extends Target {
  /** Of a command-line program; its folder is put first on PATH. */
  readonly program?: string;
  /** Variables that the program is given. */
  readonly variables?: Readonly<Record<string, string>>;
  /** It asks for `someKey`, though its provider need not. */
  readonly needsKey?: boolean;
  /** A name that the provider does not know. */
  readonly unknownModel?: string;
  readonly concurrency?: number;
}

export interface Verdict {
  readonly check: string;
  readonly right: boolean;
  readonly text: string;
}

const promptfleet = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));
export const someKey = "sk-ant-dummy-0123456789abcdef";
const cloudProviders: readonly string[] = ["anthropic", "openai", "aichat", "claude-cli"];
const plainCount = 16;
const choices = ["positive", "negative"];
/** The model of random weights that stands in where no real one is to be had: it may not end a form in time. */
const randomModel = "pf-tiny";
const timeLimitMs = 240_000;

function inputRows(target: RunTarget): object[] {
  const schema = {
    type: "object",
    properties: { city: { type: "boolean" } },
    required: ["city"],
    additionalProperties: false,
  };
  const unknown = `main/${target.unknownModel ?? "no-such-model"}`;
  return [
    { id: "unknown model", model: unknown, prompt: "Hello", max_tokens: 4 },
    { id: "too long", prompt: "word ".repeat(12_000), max_tokens: 4 },
    { id: "schema", prompt: "Is Paris a city? Answer in JSON.", schema, max_tokens: 64 },
    { id: "choices", prompt: "I love it! Is this positive or negative?", choices, max_tokens: 8 },
    ...Array.from({ length: plainCount }, (_, at) => ({
      id: `plain ${at}`,
      prompt: `What is the capital of country number ${at}?`,
      max_tokens: 8,
    })),
  ];
}

function writeProject(folder: string, target: RunTarget): void {
  const { provider, url, model = "auto", concurrency } = target;
  const isCloud = cloudProviders.includes(provider);
  const main = {
    provider,
    location: isCloud ? "cloud" : "local",
    ...(url === "" ? {} : { baseUrl: url }),
    ...(isCloud || target.needsKey ? { apiKeyEnv: "SOME_KEY" } : {}),
    ...(concurrency === undefined ? {} : { concurrency }),
  };
  const models = { only: { tier: "main", model } };
  const write = (name: string, content: string) => writeFileSync(join(folder, name), content, { mode: 0o600 });
  write("models.json", JSON.stringify({ tiers: { main }, models, tasks: { simple: { primary: "only" } } }));
  write(
    "in.jsonl",
    inputRows(target)
      .map((row) => `${JSON.stringify(row)}\n`)
      .join(""),
  );
  mkdirSync(join(folder, ".config", "promptfleet"), { recursive: true });
  const keyFile = join(".config", "promptfleet", "env");
  write(keyFile, `SOME_KEY=${someKey}\n`);
  chmodSync(join(folder, keyFile), 0o600);
}

interface Ended {
  readonly code: number | null;
  /** Why the tier waited, the last time it was said. */
  readonly reason: string | undefined;
  readonly stderr: string;
}

/** Runs it until all rows but the one of the unknown model have ended and the wait of that one is explained. */
async function run(folder: string, target: RunTarget, ...more: string[]): Promise<Ended> {
  const path = [...(target.program === undefined ? [] : [dirname(target.program)]), readVariable("PATH") ?? ""];
  const redisServer = readVariable("PROMPTFLEET_REDIS_SERVER");
  const args = ["run", "in.jsonl", "-o", "out.jsonl", "--config", "models.json", "--data-dir", "data", "--json"];
  const child = spawn(process.execPath, [promptfleet, ...args, ...more], {
    cwd: folder,
    env: {
      PATH: path.join(":"),
      HOME: folder,
      ...(redisServer === undefined ? {} : { PROMPTFLEET_REDIS_SERVER: redisServer }),
      ...target.variables,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const timer = setTimeout(() => child.kill("SIGINT"), timeLimitMs);
  let [rest, stderr] = ["", ""];
  let reason: string | undefined;
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const { progress } = JSON.parse(line) as {
        progress?: { answered: number; failed: number; tiers: { reason?: string }[] };
      };
      if (progress === undefined) continue;
      const now = progress.tiers.find((tier) => tier.reason !== undefined)?.reason;
      // Said twice: it is what the last row waits for, not a hitch that is over.
      if (progress.answered + progress.failed >= plainCount + 3 && now !== undefined && now === reason) {
        child.kill("SIGINT");
      }
      reason = now ?? reason;
    }
  });
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  clearTimeout(timer);
  return { code, reason, stderr };
}

/** 20 rows through the real program: what is right, and what is not. */
export async function runTarget(target: RunTarget): Promise<Verdict[]> {
  const folder = mkdtempSync(join(tmpdir(), "pf-real-"));
  try {
    writeProject(folder, target);
    const first = await run(folder, target);
    // The row of the unknown model waits for ever, as it must: the same command with a deadline ends it.
    const second = first.code === 130 ? await run(folder, target, "--deadline", "1s") : first;
    const output = join(folder, "out.jsonl");
    if (!existsSync(output)) {
      const text = `no output; exit ${first.code}, then ${second.code}: ${first.reason ?? ""} ${second.stderr}`;
      return [{ check: "run", right: false, text: text.trim().slice(0, 1_000) }];
    }
    const results = readFileSync(output, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as ResultLine);
    return judge(target, results, first, second);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function judge(target: RunTarget, results: readonly ResultLine[], first: Ended, second: Ended): Verdict[] {
  const row = (id: string): ResultLine => results.find((result) => result.id === id)!;
  const said = ({ text, error, status }: ResultLine): string =>
    status === "answered" ? JSON.stringify(text) : `${error?.code}: ${error?.message}`;
  const plain = results.filter(({ id }) => id.startsWith("plain"));
  const answered = plain.filter(({ status }) => status === "answered");
  const [unknown, tooLong, schema, choice] = ["unknown model", "too long", "schema", "choices"].map(row);
  // Nothing holds the small model behind it to a form.
  const mayMissForm = target.model === randomModel || target.provider === "aichat";
  const inForm = (result: ResultLine, fits: boolean): boolean =>
    (result.status === "answered" && fits) || (mayMissForm && result.error?.code === "invalid_answer");
  const waits = unknown!.error?.code === "deadline_passed" && first.reason !== undefined;
  return [
    {
      check: `${plainCount} plain rows`,
      right: answered.length === plainCount,
      text: `${answered.length} answered: ${said(answered[0] ?? plain[0]!)}`,
    },
    { check: "schema", right: inForm(schema!, typeof schema!.json === "object"), text: said(schema!) },
    { check: "choices", right: inForm(choice!, choices.includes(choice!.text ?? "")), text: said(choice!) },
    { check: "too long", right: tooLong!.error?.code === "context_overflow", text: said(tooLong!) },
    {
      check: "unknown model",
      right: waits || unknown!.status === "answered",
      text: waits ? `waited, no row failed: ${first.reason}` : said(unknown!),
    },
    {
      check: "exit codes",
      right: second.code === 2 && [2, 130].includes(first.code ?? -1),
      text: first === second ? `${first.code}` : `${first.code}, then ${second.code}`,
    },
  ];
}
