import { buildConfig } from "../../src/config/build.ts";
import type { Config } from "../../src/config/config.ts";
import type { ConfigFile } from "../../src/config/schema.ts";
import type { TierUsability } from "../../src/routing/usable-tier.ts";

const free = { inputPerMTok: 0, outputPerMTok: 0 };
const dear = { inputPerMTok: 4, outputPerMTok: 20 };

/** Two cloud tiers and two local ones, and a task for each case. */
const file: ConfigFile = {
  tiers: {
    claude: { provider: "anthropic", apiKeyEnv: "ANTHROPIC_API_KEY" },
    openai: { provider: "openai", apiKeyEnv: "OPENAI_API_KEY" },
    ollama: { provider: "ollama" },
    vllm: { provider: "vllm" },
  },
  models: {
    opus: { tier: "claude", model: "claude-opus-5-5", price: dear },
    unpriced: { tier: "openai", model: "gpt-4o" },
    llama: { tier: "ollama", model: "llama3.2", price: free },
    remote: { tier: "ollama", model: "gpt-oss:120b-cloud" },
    any: { tier: "vllm", model: "auto" },
  },
  tasks: {
    simple: { primary: "opus", fallback: ["llama"] },
    secret: { primary: "llama", fallback: ["any"], private: true },
    leaky: { primary: "opus", fallback: ["any", "unpriced", "remote"], private: true },
    closed: { primary: "opus", fallback: ["remote"], private: true },
    thrifty: { primary: "unpriced", fallback: ["opus", "llama"], prefer: "cheapest" },
  },
};

/** That config, with more laid over it. */
export function givenConfig(over: Partial<ConfigFile> = {}, keys: Readonly<Record<string, string>> = {}): Config {
  return buildConfig({ ...file, ...over }, { fleet: "test", source: "given", keys: new Map(Object.entries(keys)) });
}

export const everyTier = (): TierUsability => ({ usable: true });

/** All tiers but these, each with its reason. */
export function allBut(reasons: Readonly<Record<string, string>>): (tierName: string) => TierUsability {
  return (tierName) => {
    const reason = reasons[tierName];
    return reason === undefined ? { usable: true } : { usable: false, reason };
  };
}
