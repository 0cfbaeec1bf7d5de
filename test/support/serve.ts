import OpenAI, { toFile } from "openai";
import { buildConfig } from "../../src/config/build.ts";
import type { Config } from "../../src/config/config.ts";
import type { ConfigFile } from "../../src/config/schema.ts";
import { type RunningServer, startServer } from "../../src/serve/server.ts";
import { afterTests } from "./clean-up.ts";
import { type CliProcess, givenProject, type Project, type ProjectOptions } from "./cli.ts";
import { freePort } from "./free-port.ts";
import { givenBackend } from "./given-backend.ts";
import type { TestRedis } from "./redis-server.ts";
import type { SimulatedBackend } from "./simulated-backend.ts";
import { temporaryFolder } from "./temporary-folder.ts";
import { until } from "./until.ts";

export interface GivenServerOptions {
  /** Of the one SIMULATED backend behind tier `lab`. */
  readonly backend?: Parameters<typeof givenBackend>[0];
  readonly concurrency?: number;
  /** Calls at once of tier `lab`. Default 16. */
  /** More tiers, models, tasks, policy and serve settings beside tier `lab`, model `small` and task `simple`. */
  readonly config?: Partial<ConfigFile>;
  /** Default: one of its own. */
  readonly dataDirectory?: string;
  readonly withPools?: boolean;
}

export interface GivenServer extends RunningServer {
  readonly backend: SimulatedBackend;
  readonly config: Config;
  readonly dataDirectory: string;
  /** What it said that a user should know. */
  readonly notices: readonly string[];
  /** OpenAI's own client, unmodified. */
  readonly client: OpenAI;
}

/** A server in this process, on a free port of loopback; stopped after the tests. */
export async function givenServer(redis: TestRedis, options: GivenServerOptions = {}): Promise<GivenServer> {
  const backend = await givenBackend(options.backend);
  const { concurrency = 16, config: more } = options;
  const file: ConfigFile = {
    ...more,
    defaultTask: more?.defaultTask ?? "simple",
    tiers: {
      lab: { provider: "openai-compatible", baseUrl: backend.baseUrl, location: "local", concurrency },
      ...more?.tiers,
    },
    models: { small: { tier: "lab", model: "simulated-model" }, ...more?.models },
    tasks: { simple: { primary: "small" }, ...more?.tasks },
  };
  const config = buildConfig(file, { fleet: redis.newFleetName(), source: "test", keys: new Map() });
  return { ...(await startGivenServer(redis, config, options)), backend, config };
}

/** Another server, or the same one again, of that config: `givenServer` without its backend. */
export async function startGivenServer(
  redis: TestRedis,
  config: Config,
  options: Pick<GivenServerOptions, "dataDirectory" | "withPools"> = {},
): Promise<Omit<GivenServer, "backend" | "config">> {
  const dataDirectory = options.dataDirectory ?? temporaryFolder();
  const notices: string[] = [];
  const server = await startServer({
    config,
    redis: { address: redis.address, alone: false, noPrivateRows: undefined },
    dataDirectory,
    host: "127.0.0.1",
    port: 0,
    withPools: options.withPools ?? true,
    replaceConfig: false,
    pullModels: false,
    onNotice: (line) => notices.push(line),
  });
  let stopped: Promise<void> | undefined;
  const stop = () => {
    server.handBack();
    stopped ??= server.stop();
    return stopped;
  };
  afterTests(stop);
  return { ...server, stop, dataDirectory, notices, client: clientOf(server.url) };
}

export const clientOf = (url: string): OpenAI => new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });

/** `promptfleet serve` as a process of its own, with a project's config and data directory. */
export interface ServeProcess {
  readonly project: Project;
  readonly url: string;
  readonly client: OpenAI;
  readonly process: CliProcess;
  /** Starts it again on the same data directory and port, after it was killed. */
  startAgain(...args: string[]): Promise<ServeProcess>;
}

export async function givenServeProcess(options: ProjectOptions = {}, ...args: string[]): Promise<ServeProcess> {
  const project = await givenProject(options);
  return startServe(project, await freePort(), args);
}

export async function startServe(project: Project, port: number, args: readonly string[]): Promise<ServeProcess> {
  const process = project.start(["serve", "--port", String(port), ...args]);
  let ended: string | undefined;
  void process.ended.then(({ code, stderr }) => {
    ended = `it ended with ${code}: ${stderr}`;
  });
  await until("it to serve", () => {
    if (ended !== undefined) throw new Error(ended);
    return process.stderr().includes("serving fleet");
  });
  const url = `http://127.0.0.1:${port}`;
  return {
    project,
    url,
    client: clientOf(url),
    process,
    startAgain: (...more) => startServe(project, port, [...args, ...more]),
  };
}

/** OpenAI batch lines `PREFIX0`, `PREFIX1`, …; the simulated backend counts them by these ids. */
export function batchLines(count: number, prefix = "r", model = "small"): string {
  return Array.from({ length: count }, (_, row) => {
    const id = `${prefix}${row}`;
    const body = { model, messages: [{ role: "user", content: `say something about #${id}` }] };
    return `${JSON.stringify({ custom_id: id, method: "POST", url: "/v1/chat/completions", body })}\n`;
  }).join("");
}

export async function uploadLines(client: OpenAI, lines: string): Promise<string> {
  const file = await client.files.create({ file: await toFile(Buffer.from(lines), "in.jsonl"), purpose: "batch" });
  return file.id;
}

/** Uploads the lines and orders a batch of them. */
export async function givenBatchOf(
  client: OpenAI,
  lines: string,
  more: Partial<OpenAI.Batches.BatchCreateParams> = {},
): Promise<OpenAI.Batches.Batch> {
  return client.batches.create({
    input_file_id: await uploadLines(client, lines),
    endpoint: "/v1/chat/completions",
    completion_window: "24h",
    ...more,
  });
}

const finalStatuses = ["failed", "completed", "expired", "cancelled"];

/** Polls as clients do until the batch has ended. */
export async function untilEnded(client: OpenAI, id: string, timeoutMs = 20_000): Promise<OpenAI.Batches.Batch> {
  return until(
    `batch ${id} to end`,
    async () => {
      const batch = await client.batches.retrieve(id);
      return finalStatuses.includes(batch.status) ? batch : undefined;
    },
    timeoutMs,
  );
}

/** The lines of a file of the server, parsed. */
export async function linesOfFile(client: OpenAI, id: string | null | undefined): Promise<Record<string, unknown>[]> {
  if (id === null || id === undefined) return [];
  const text = await (await client.files.content(id)).text();
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
