import type { ShowResponse } from "ollama/browser";

/** What must be known of a model before a prompt is sent to it. */
export interface OllamaModel {
  /** Where it really runs when that is not the server's own machine. */
  readonly remoteHost: string | undefined;
  /** The context that its Modelfile asks for. */
  readonly configuredContextTokens: number | undefined;
  /** False when it is known to take text only. */
  readonly seesImages: boolean;
  /** The longest context that it was trained for; the server never gives it more. */
  readonly longestContextTokens: number | undefined;
}

/** Asked for when neither the config nor the Modelfile says: memory grows with it, times the server's parallel slots. */
const defaultContextTokens = 8_192;

/** Reads the answer of `/api/show`; fields that the client's types lack are those of remote models. */
export function readOllamaModel(name: string, shown: ShowResponse): OllamaModel {
  const { remote_host: host, remote_model: model } = shown as { remote_host?: string; remote_model?: string };
  const remote = host || model || /[-:]cloud$/.test(name);
  const info = Object.entries((shown.model_info ?? {}) as unknown as Record<string, unknown>);
  const longest = info.find(([key]) => key.endsWith(".context_length"))?.[1];
  const configured = /^num_ctx\s+(\d+)/m.exec(shown.parameters ?? "")?.[1];
  return {
    // Older servers do not say.
    seesImages: shown.capabilities?.includes("vision") ?? true,
    remoteHost: remote ? host || "another host" : undefined,
    configuredContextTokens: configured === undefined ? undefined : Number(configured),
    longestContextTokens: typeof longest === "number" ? longest : undefined,
  };
}

/**
 * The one context size that is asked for with every call of a model: two calls that differ in it make the server load
 * the model anew each time.
 */
export function contextTokensFor(model: OllamaModel, configuredTokens: number | undefined): number {
  const wanted = configuredTokens ?? model.configuredContextTokens ?? defaultContextTokens;
  return Math.min(wanted, model.longestContextTokens ?? wanted);
}
