import type { EndpointOptions } from "./adapter.ts";
import { isObject } from "./backend-words.ts";
import { openConnection } from "./http.ts";

export type ServerKind = "ollama" | "vllm" | "localai" | "llama.cpp" | "openai-compatible";

/** What a server says of itself when it is asked without a model. */
export interface ServerIdentity {
  readonly kind: ServerKind;
  readonly version?: string;
}

const timeoutMs = 3_000;

/**
 * Which program listens at an address, by the questions that only it answers; undefined when nobody there speaks of
 * models. Nothing is asked that costs anything.
 */
export async function identifyServer(options: EndpointOptions): Promise<ServerIdentity | undefined> {
  const connection = openConnection(options);
  const serverPath = connection.basePath.replace(/\/v1$/, "");
  async function get(path: string): Promise<{ readonly header: string; readonly body: unknown } | undefined> {
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await connection.send({
      method: "GET",
      path: `${serverPath}${path}`,
      private: false,
      signal,
      timeoutMs,
    });
    if (response.kind !== "response" || response.status < 200 || response.status >= 300) return undefined;
    return { header: String(response.headers.server ?? ""), body: parsed(response.text) };
  }
  try {
    const [models, ollama, props, version, ready] = await Promise.all(
      ["/v1/models", "/api/version", "/props", "/version", "/readyz"].map(get),
    );
    const build = textIn(props?.body, "build_info");
    if (build !== undefined || models?.header === "llama.cpp") return named("llama.cpp", build);
    if (ready !== undefined && models !== undefined) return named("localai", textIn(version?.body, "version"));
    const ollamaVersion = textIn(ollama?.body, "version");
    if (ollamaVersion !== undefined) return named("ollama", ollamaVersion);
    if (models === undefined) return undefined;
    const vllmVersion = textIn(version?.body, "version");
    return vllmVersion === undefined ? named("openai-compatible", undefined) : named("vllm", vllmVersion);
  } finally {
    await connection.close();
  }
}

function named(kind: ServerKind, version: string | undefined): ServerIdentity {
  // What llama.cpp calls a build from sources without their history: "b0-unknown".
  const isKnown = version !== undefined && !version.includes("unknown");
  return { kind, ...(isKnown ? { version: version.slice(0, 60) } : {}) };
}

function textIn(body: unknown, key: string): string | undefined {
  const value = isObject(body) ? body[key] : undefined;
  return typeof value === "string" && value !== "" ? value : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
