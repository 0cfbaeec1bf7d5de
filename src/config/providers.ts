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
}

/** What the config must know of each provider, in one place. */
export const providerFacts: Readonly<Record<Provider, ProviderFacts>> = {
  anthropic: { defaultBaseUrl: "https://api.anthropic.com", defaultApiKeyEnv: "ANTHROPIC_API_KEY" },
  openai: { defaultBaseUrl: "https://api.openai.com/v1", defaultApiKeyEnv: "OPENAI_API_KEY", apiPath: "/v1" },
  "openai-compatible": { apiPath: "/v1" },
  vllm: { defaultBaseUrl: "http://127.0.0.1:8000/v1", apiPath: "/v1" },
  localai: { defaultBaseUrl: "http://127.0.0.1:8080/v1", apiPath: "/v1" },
  ollama: { defaultBaseUrl: "http://127.0.0.1:11434" },
  "llama-cpp": { noUrl: true, alwaysLocal: true },
  aichat: { noUrl: true, neverLocal: true },
  // It takes nothing but a key: its own login would have it read files that a prompt names.
  "claude-cli": { noUrl: true, neverLocal: true, defaultApiKeyEnv: "ANTHROPIC_API_KEY" },
};
