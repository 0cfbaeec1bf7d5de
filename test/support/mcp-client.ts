import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { RequestOptions } from "@modelcontextprotocol/sdk/shared/protocol.js";
import { type CallToolResult, ListRootsRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { readVariable } from "../../src/config/environment.ts";
import { afterTests } from "./clean-up.ts";
import type { Project } from "./cli.ts";

const program = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));

/** The official client, as an assistant has it. */
export interface McpClient {
  readonly client: Client;
  /** The result of a tool that must succeed. */
  call(name: string, given?: object, options?: RequestOptions): Promise<Record<string, unknown>>;
  /** The words of a tool that must refuse. */
  refusal(name: string, given?: object): Promise<string>;
  /** Over stdio only. */
  readonly pid: number | undefined;
  close(): Promise<void>;
}

export interface StdioClientOptions {
  readonly args?: readonly string[];
  /** Folders that the client says are its roots; default: it knows no roots. */
  readonly roots?: readonly string[];
}

/** `promptfleet mcp` as a client starts it, with a project's config and data directory. */
export async function givenStdioClient(project: Project, options: StdioClientOptions = {}): Promise<McpClient> {
  const { args = [], roots } = options;
  const given = ["--config", project.path("models.json"), "--data-dir", project.dataDirectory];
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [program, "mcp", ...given, ...args],
    cwd: project.folder,
    env: {
      PATH: readVariable("PATH") ?? "",
      HOME: project.folder,
      PROMPTFLEET_REDIS_SERVER: readVariable("PROMPTFLEET_REDIS_SERVER") ?? "",
    },
    stderr: "ignore",
  });
  const client = clientWith(roots);
  await client.connect(transport);
  return opened(client, () => transport.pid ?? undefined);
}

export async function givenHttpClient(url: string, fetchWith: typeof fetch = fetch): Promise<McpClient> {
  const client = clientWith(undefined);
  const transport = new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { fetch: fetchWith });
  await client.connect(transport as Parameters<Client["connect"]>[0]);
  return opened(client, () => undefined);
}

function clientWith(roots: readonly string[] | undefined): Client {
  const capabilities = roots === undefined ? {} : { roots: {} };
  const client = new Client({ name: "test", version: "1" }, { capabilities });
  if (roots !== undefined) {
    const known = roots.map((folder) => ({ uri: `file://${folder}`, name: "project" }));
    client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: known }));
  }
  return client;
}

function opened(client: Client, pid: () => number | undefined): McpClient {
  const close = () => client.close();
  afterTests(close);

  async function ask(name: string, given: object, options?: RequestOptions): Promise<CallToolResult> {
    const call = { name, arguments: given as Record<string, unknown> };
    return (await client.callTool(call, undefined, { timeout: 120_000, ...options })) as CallToolResult;
  }

  return {
    client,
    get pid() {
      return pid();
    },
    close,
    async call(name, given = {}, options) {
      const { isError, content, structuredContent } = await ask(name, given, options);
      if (isError === true) throw new Error(`${name} refused: ${JSON.stringify(content)}`);
      return structuredContent as Record<string, unknown>;
    },
    async refusal(name, given = {}) {
      const { isError, content } = await ask(name, given);
      if (isError !== true) throw new Error(`${name} did not refuse`);
      return content.map((part) => (part.type === "text" ? part.text : "")).join("");
    },
  };
}
