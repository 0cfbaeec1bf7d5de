import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pass } from "node:timers/promises";
import { promisify } from "node:util";
import { type FixtureMatch, LLMock } from "@copilotkit/aimock";
import { readVariable } from "../../src/config/environment.ts";
import { freePort } from "../../test/support/free-port.ts";
import { type RunTarget, someKey } from "./run-target.ts";

export interface ServerOptions {
  /** A folder with `llamacpp`, `ollama.sh` and `vllm.sh`, each of which takes `up` and `down` and prints its URL. */
  readonly backends?: string | undefined;
  /** Which of them. */
  readonly only: readonly string[];
  /** Programs: LiteLLM's proxy, which is put before the llama.cpp server, `claude` and `aichat`. */
  readonly litellm?: string | undefined;
  readonly claude?: string | undefined;
  readonly aichat?: string | undefined;
}

export interface Servers {
  readonly targets: readonly RunTarget[];
  close(): Promise<void>;
}

const execute = promisify(execFile);

/** Starts what was asked for; what it started ends with `close`. */
export async function startServers(options: ServerOptions): Promise<Servers> {
  const closers: (() => unknown)[] = [];
  const targets: RunTarget[] = [];
  const wanted = (name: string): boolean => options.only.length === 0 || options.only.includes(name);

  async function up(script: string, variables: Record<string, string>, ...args: string[]): Promise<string> {
    const file = join(options.backends!, script);
    const env = { PATH: readVariable("PATH"), HOME: readVariable("HOME"), ...variables };
    // Its output goes into files of its own; the server must not hold ours open.
    const folder = mkdtempSync(join(tmpdir(), "pf-up-"));
    await execute("bash", ["-c", '"$@" >"$OUT" 2>&1', "up", file, "up", ...args], {
      env: { ...env, OUT: join(folder, "out") },
    }).catch(async () => {
      throw new Error((await execute("tail", ["-n", "20", join(folder, "out")])).stdout);
    });
    closers.push(() => execute(file, ["down", ...args.slice(0, 1)], { env }).catch(() => {}));
    const said = (await execute("tail", ["-n", "1", join(folder, "out")])).stdout.trim();
    rmSync(folder, { recursive: true });
    return said;
  }

  try {
    let llamaUrl: string | undefined;
    const wantsLlama = wanted("llama.cpp") || wanted("litellm") || wanted("aichat");
    if (options.backends !== undefined && wantsLlama) {
      llamaUrl = await up("llamacpp", {}, String(await freePort()), "4");
      if (wanted("llama.cpp"))
        targets.push({ name: "llama.cpp", provider: "openai-compatible", url: llamaUrl, model: undefined });
    }
    if (llamaUrl !== undefined && options.litellm !== undefined && wanted("litellm")) {
      const gateway = await startGateway(options.litellm, llamaUrl);
      closers.push(gateway.close);
      targets.push({
        name: "litellm",
        provider: "openai-compatible",
        url: gateway.url,
        model: "gateway-model",
        needsKey: true,
      });
    }
    if (llamaUrl !== undefined && options.aichat !== undefined && wanted("aichat")) {
      targets.push({
        name: "aichat",
        provider: "aichat",
        url: "",
        model: "openai:gpt-4o",
        unknownModel: "openai:no-such-model",
        program: options.aichat,
        variables: { OPENAI_API_BASE: llamaUrl },
      });
    }
    if (options.backends !== undefined && wanted("ollama")) {
      const url = await up("ollama.sh", { PORT: String(await freePort()) });
      targets.push({ name: "ollama", provider: "ollama", url, model: "pf-tiny" });
    }
    if (options.backends !== undefined && wanted("vllm")) {
      const url = await up("vllm.sh", { PORT: String(await freePort()) });
      targets.push({ name: "vllm", provider: "vllm", url: `${url}/v1`, model: "pf-tiny" });
    }
    const mock = await startMock();
    closers.push(() => mock.stop());
    if (options.claude !== undefined && wanted("claude-cli")) {
      targets.push({
        name: "claude-cli",
        provider: "claude-cli",
        url: "",
        model: "claude-haiku-4-5",
        program: options.claude,
        variables: { ANTHROPIC_BASE_URL: mock.url },
      });
    }
    for (const provider of ["anthropic", "openai"] as const) {
      if (!wanted(provider)) continue;
      const url = provider === "openai" ? `${mock.url}/v1` : mock.url;
      targets.push({ name: `${provider} (aimock)`, provider, url, model: "some-model" });
    }
  } catch (error) {
    await closeAll(closers);
    throw error;
  }
  return { targets, close: () => closeAll(closers) };
}

async function closeAll(closers: readonly (() => unknown)[]): Promise<void> {
  for (const close of closers.toReversed()) await close();
}

/** npm's aimock in the clouds' place: it knows nothing of our own simulated servers. */
async function startMock(): Promise<LLMock> {
  const mock = new LLMock({ port: 0, host: "127.0.0.1", logLevel: "silent" });
  const refuse = (status: number, message: string, type: string) => ({ error: { message, type }, status });
  mock.on({ model: /no-such-model/ }, refuse(404, "model: no-such-model", "not_found_error"));
  mock.onMessage(
    /(word ){100}/,
    refuse(400, "prompt is too long: 12000 tokens > 8192 maximum", "invalid_request_error"),
  );
  // The `claude` program has answers to a schema written as a call of a tool of its own.
  const isToWriteJson: FixtureMatch["predicate"] = ({ tools }) =>
    tools?.some((tool) => tool.function.name === "StructuredOutput") ?? false;
  mock.on({ predicate: isToWriteJson, hasToolResult: false }, ({ tools }) => {
    const { properties = {} } = tools![0]!.function.parameters as { properties?: Record<string, { enum?: unknown[] }> };
    const answer = Object.entries(properties).map(([name, one]) => [name, one.enum?.[0] ?? true]);
    return { toolCalls: [{ name: "StructuredOutput", arguments: JSON.stringify(Object.fromEntries(answer)) }] };
  });
  mock.on({ predicate: isToWriteJson, hasToolResult: true }, { content: "That is all." });
  mock.onMessage("Is Paris a city?", { content: '{"city": true}' });
  mock.onMessage("positive or negative", { content: "positive" });
  mock.onMessage("capital", { content: "Paris." });
  await mock.start();
  return mock;
}

/** LiteLLM's proxy, in front of another server. */
async function startGateway(program: string, upstream: string): Promise<{ url: string; close: () => Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), "pf-gateway-"));
  const model = { model: "openai/smollm2-135m", api_base: upstream, api_key: "none" };
  const config = { model_list: [{ model_name: "gateway-model", litellm_params: model }] };
  // JSON is YAML.
  writeFileSync(join(folder, "config.yaml"), JSON.stringify(config));
  const port = await freePort();
  const args = ["--config", join(folder, "config.yaml"), "--host", "127.0.0.1", "--port", String(port)];
  const child = spawn(program, [...args, "--telemetry", "False"], {
    cwd: folder,
    env: {
      PATH: readVariable("PATH"),
      HOME: folder,
      LITELLM_LOCAL_MODEL_COST_MAP: "True",
      LITELLM_MASTER_KEY: someKey,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-2_000);
    });
  }
  const url = `http://127.0.0.1:${port}`;
  const close = async (): Promise<void> => {
    await endChild(child);
    rmSync(folder, { recursive: true, force: true });
  };
  for (let tries = 0; tries < 240; tries++) {
    if (child.exitCode !== null) break;
    const there = await fetch(`${url}/health/liveliness`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (there) return { url: `${url}/v1`, close };
    await pass(500);
  }
  await close();
  throw new Error(`${program} did not answer at ${url}:\n${said}`);
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const closed = new Promise((resolve) => child.once("close", resolve));
  child.kill();
  await Promise.race([closed, pass(10_000)]);
  child.kill("SIGKILL");
}
