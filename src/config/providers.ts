import { type OtherEndpoint, otherEndpoints } from "../job/endpoints.ts";
import type { Provider } from "./config.ts";

interface ProviderFacts {
  /** Where it listens when nobody says otherwise; without one the tier must say, unless `noUrl`. */
  readonly defaultBaseUrl?: string;
  readonly defaultApiKeyEnv?: string;
  /** The path of its API, added to a base URL that has none. */
  readonly apiPath?: string;
  /** It is no server: a base URL would be ignored, and is therefore refused. */
  readonly noUrl?: true;
  /** It sends prompts to a provider of its own choosing, whatever its address looks like. */
  readonly neverLocal?: true;
  /** It runs inside this process. */
  readonly alwaysLocal?: true;
  /**
   * What it charges against a limit of tokens. `most-output`: with the request, input and all the output that it allows,
   * whatever comes of it (OpenAI). Default: what was really read and written; the estimate is settled by the answer.
   */
  readonly quotaRule?: "most-output";
  /** It is a program that spends as it sees fit. */
  readonly unboundedCost?: true;
  /** Input from its cache does not count against its limits. */
  readonly cachedInputIsFree?: true;
  /** Params of Anthropic's API can be given to it whole. */
  readonly takesAnthropicParams?: true;
  /** What of OpenAI's API its adapter can ask beside chat. Default: nothing. A single server may still lack it. */
  readonly endpoints?: readonly OtherEndpoint[];
}

/** What the config must know of each provider, in one place. */
export const providerFacts: Readonly<Record<Provider, ProviderFacts>> = {
  anthropic: {
    defaultBaseUrl: "https://api.anthropic.com",
    defaultApiKeyEnv: "ANTHROPIC_API_KEY",
    cachedInputIsFree: true,
    takesAnthropicParams: true,
  },
  openai: {
    defaultBaseUrl: "https://api.openai.com/v1",
    defaultApiKeyEnv: "OPENAI_API_KEY",
    apiPath: "/v1",
    quotaRule: "most-output",
    endpoints: otherEndpoints,
  },
  "openai-compatible": { apiPath: "/v1", quotaRule: "most-output", endpoints: otherEndpoints },
  vllm: { defaultBaseUrl: "http://127.0.0.1:8000/v1", apiPath: "/v1", endpoints: otherEndpoints },
  localai: { defaultBaseUrl: "http://127.0.0.1:8080/v1", apiPath: "/v1", endpoints: otherEndpoints },
  ollama: { defaultBaseUrl: "http://127.0.0.1:11434", endpoints: ["/v1/completions", "/v1/embeddings"] },
  "llama-cpp": { noUrl: true, alwaysLocal: true },
  aichat: { noUrl: true, neverLocal: true, unboundedCost: true },
  // It takes nothing but a key: its own login would have it read files that a prompt names.
  "claude-cli": { noUrl: true, neverLocal: true, unboundedCost: true, defaultApiKeyEnv: "ANTHROPIC_API_KEY" },
};
