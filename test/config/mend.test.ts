import { describe, expect, it } from "vitest";
import type { Provider } from "../../src/config/config.ts";
import { mendOf, withMend } from "../../src/config/mend.ts";
import type { Outcome } from "../../src/job/outcome.ts";

const tier = (provider: Provider, apiKeyEnv?: string) => ({
  name: "lab",
  provider,
  baseUrls: ["http://127.0.0.1:8123/v1"],
  ...(apiKeyEnv === undefined ? {} : { apiKeyEnv }),
});
const refused: Outcome = { kind: "unreachable", message: "127.0.0.1:8123 cannot be reached: connection refused" };
const notFound: Outcome = { kind: "unreachable", message: "some program not found on PATH" };
const missing: Outcome = { kind: "unavailable", scope: "model", reason: "model-missing", message: "no such model" };
const badKey: Outcome = { kind: "unavailable", scope: "tier", reason: "bad-key", message: "401" };
const spendLimit: Outcome = { kind: "unavailable", scope: "tier", reason: "spend-limit", message: "429" };
const noCredit: Outcome = { kind: "unavailable", scope: "tier", reason: "no-credit", message: "402" };

describe("what stands in the way is told with the command that mends it", () => {
  it.each<[string, Outcome, Provider, string, RegExp]>([
    ["an Ollama that is not running", refused, "ollama", "auto", /^start it: ollama serve$/],
    ["a vLLM that is not running", refused, "vllm", "auto", /vllm serve MODEL --port 8123/],
    ["a LocalAI that is not running", refused, "localai", "auto", /local-ai run/],
    ["a model that Ollama does not have", missing, "ollama", "qwen3:8b", /^ollama pull qwen3:8b$/],
    ["an Ollama without any model", missing, "ollama", "auto", /^ollama pull \S+$/],
    ["a model that vLLM does not serve", missing, "vllm", "org/m", /vllm serve org\/m/],
    ["a model that a cloud does not have", missing, "openai", "gpt-0", /promptfleet doctor/],
    ["an aichat that is not installed", notFound, "aichat", "auto", /^install it: cargo install aichat --locked$/],
    ["a claude that is not installed", notFound, "claude-cli", "auto", /^install it: npm install -g @anthropic-ai/],
    ["missing credit", noCredit, "openai", "gpt-4o", /add credit or raise the spend limit/],
    ["a spend limit", spendLimit, "anthropic", "claude-opus-5-5", /raise the spend limit of that account, or wait/],
  ])("%s", (_title, outcome, provider, model, words) => {
    expect(mendOf(outcome, tier(provider), model)).toMatch(words);
  });

  it("names the variable of a key that is refused, or says that the tier has none", () => {
    expect(mendOf(badKey, tier("openai", "OPENAI_API_KEY"), "x")).toMatch(/OPENAI_API_KEY.*\.config\/promptfleet\/env/);
    expect(mendOf(badKey, tier("vllm"), "x")).toMatch(/"apiKeyEnv" of tier lab/);
  });

  it("adds nothing where waiting is enough, and keeps the rest of an outcome as it is", () => {
    const throttled: Outcome = { kind: "throttled", message: "slow down", retryAfterMs: 5 };
    expect(withMend(throttled, tier("ollama"), "auto")).toBe(throttled);
    expect(withMend(missing, tier("ollama"), "m")).toEqual({ ...missing, message: "no such model; ollama pull m" });
  });
});
