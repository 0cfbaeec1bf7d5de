import type { Provider } from "../src/config/config.ts";
import type { Adapter } from "./adapter.ts";
import { aichat } from "./aichat.ts";
import { anthropic } from "./anthropic.ts";
import { claudeCli } from "./claude-cli.ts";
import { llamaCpp } from "./llama-cpp.ts";
import { localai } from "./localai.ts";
import { ollama } from "./ollama.ts";
import { openai } from "./openai.ts";
import { openaiCompatible } from "./openai-compatible.ts";
import { vllm } from "./vllm.ts";

/** One adapter per provider; a provider that is missing here cannot be used in this version. */
export const adapters = {
  anthropic,
  openai,
  "openai-compatible": openaiCompatible,
  vllm,
  localai,
  ollama,
  "llama-cpp": llamaCpp,
  aichat,
  "claude-cli": claudeCli,
} satisfies Partial<Record<Provider, Adapter>>;
