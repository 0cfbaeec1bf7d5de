import type { Outcome } from "../job/outcome.ts";
import type { TierConfig } from "./config.ts";

/*
 * The one place that knows which command mends what stands in the way of a tier or a model. The adapters say what is
 * wrong; this says what to do, for the display of a run as well as for `doctor`.
 */

type MendedTier = Pick<TierConfig, "name" | "provider" | "baseUrls" | "apiKeyEnv">;

/** The outcome with the command that mends it added to its message, where somebody has to act. */
export function withMend<End extends Outcome>(outcome: End, tier: MendedTier, modelId: string): End {
  const mend = mendOf(outcome, tier, modelId);
  return mend === undefined ? outcome : { ...outcome, message: `${(outcome as { message: string }).message}; ${mend}` };
}

/** What to do about an outcome, or undefined when waiting is enough or its message says it all. */
export function mendOf(outcome: Outcome, tier: MendedTier, modelId: string): string | undefined {
  if (outcome.kind === "unavailable") {
    switch (outcome.reason) {
      case "bad-key":
        return mendKey(tier);
      case "no-credit":
        return "add credit or raise the spend limit of that account; the rows go on by themselves";
      case "spend-limit":
        return "raise the spend limit of that account, or wait for its next month; the rows go on by themselves";
      case "no-permission":
        return `allow it for ${tier.apiKeyEnv === undefined ? "that account" : `the key in ${tier.apiKeyEnv}`}, or use another key`;
      case "model-missing":
        return mendModel(tier, modelId);
    }
  }
  // The adapters' own words for a program that is not there, and for an address at which nobody listens.
  if (outcome.kind === "unreachable" && /not found on PATH/.test(outcome.message)) return mendProgram(tier);
  if (outcome.kind === "unreachable" && /connection refused/.test(outcome.message)) return mendServer(tier);
  return undefined;
}

/** Where a key is best put: this file can be changed while a run goes on. */
export const keyHome = "~/.config/promptfleet/env";

/** A key that is refused. */
function mendKey({ apiKeyEnv, name }: MendedTier): string {
  if (apiKeyEnv === undefined) return `the server wants a key: name its variable in "apiKeyEnv" of tier ${name}`;
  return `put a valid ${apiKeyEnv} into ${keyHome}, which is read again by itself (one in the environment goes before it, and needs a restart)`;
}

/** A model that the server does not have; "auto" is any. */
export function mendModel({ provider }: MendedTier, modelId: string): string | undefined {
  const id = modelId === "auto" ? undefined : modelId;
  switch (provider) {
    case "ollama":
      return `ollama pull ${id ?? "llama3.2"}`;
    case "vllm":
      return `start it with that model: vllm serve ${id ?? "MODEL"}`;
    case "localai":
      return `local-ai models install ${id ?? "MODEL"}`;
    case "llama-cpp":
      return undefined;
    default:
      return id === undefined ? "load a model there" : "name a model that it has; promptfleet doctor lists them";
  }
}

/** A program that is not installed. */
export function mendProgram({ provider }: MendedTier): string | undefined {
  switch (provider) {
    case "aichat":
      return "install it: cargo install aichat --locked";
    case "claude-cli":
      return "install it: npm install -g @anthropic-ai/claude-code";
    default:
      return undefined;
  }
}

/** A server that does not run. */
export function mendServer({ provider, baseUrls }: MendedTier): string | undefined {
  switch (provider) {
    case "ollama":
      return "start it: ollama serve";
    case "vllm":
      return `start it: vllm serve MODEL --port ${new URL(baseUrls[0] ?? "http://127.0.0.1:8000").port || "80"}`;
    case "localai":
      return "start it: local-ai run";
    default:
      return undefined;
  }
}
