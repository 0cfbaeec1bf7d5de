import type { EndpointOptions } from "../workers/adapter.ts";
import { adapters } from "../workers/index.ts";
import { identifyServer } from "../workers/server-identity.ts";
import type { FoundServer } from "./inspect/draft-config.ts";

/** Where Ollama, vLLM, LocalAI and llama.cpp listen when nobody says otherwise. */
export const usualServers = [
  "http://127.0.0.1:11434",
  "http://127.0.0.1:8000",
  "http://127.0.0.1:8080",
  "http://127.0.0.1:8081",
] as const;

const probeTimeoutMs = 5_000;

/** The model servers among these addresses, and what each has. Asks nothing that costs anything. */
export async function findServers(urls: readonly string[]): Promise<FoundServer[]> {
  const found = await Promise.all(urls.map(findServer));
  return found.filter((server) => server !== undefined);
}

async function findServer(url: string): Promise<FoundServer | undefined> {
  const root = url.replace(/\/+$/, "").replace(/\/v1$/, "");
  const options: EndpointOptions = {
    tier: "found",
    baseUrl: root,
    location: "local",
    trustedHosts: [],
    concurrency: 1,
  };
  const identity = await identifyServer(options);
  if (identity === undefined) return undefined;
  const program = identity.kind;
  const adapter = adapters[program === "llama.cpp" ? "openai-compatible" : program];
  const baseUrl = program === "ollama" ? root : `${root}/v1`;
  const endpoint = adapter.connect({ ...options, baseUrl });
  try {
    const probe = await endpoint.probe(AbortSignal.timeout(probeTimeoutMs));
    return { program, baseUrl, models: probe.usable ? probe.models : [] };
  } finally {
    await endpoint.close();
  }
}
