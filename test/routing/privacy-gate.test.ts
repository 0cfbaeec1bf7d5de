import { describe, expect, it } from "vitest";
import type { TierConfig } from "../../src/config/config.ts";
import { mayHold } from "../../src/routing/privacy-gate.ts";
import { givenConfig } from "./given-config.ts";

const { ollama, claude, vllm } = givenConfig().tiers as Record<string, TierConfig>;

describe("the privacy gate", () => {
  it("lets every row that is not private through", () => {
    expect(mayHold(claude!, "claude-opus-5-5", false)).toBe(true);
    expect(mayHold(ollama!, "gpt-oss:120b-cloud", false)).toBe(true);
  });

  it("lets a private row to a local tier only, and says why not to another", () => {
    expect(mayHold(ollama!, "llama3.2", true)).toBe(true);
    expect(mayHold(vllm!, "auto", true)).toBe(true);
    expect(mayHold(claude!, "claude-opus-5-5", true)).toBe("private, and tier claude is not local");
  });

  it.each(["gpt-oss:120b-cloud", "kimi-k2:cloud", "GPT-OSS:20B-CLOUD", " gpt-oss:20b-cloud "])(
    "holds %s of Ollama for remote",
    (id) => {
      expect(mayHold(ollama!, id, true)).toContain("in its cloud");
    },
  );

  it("takes an id that only mentions a cloud for what it is", () => {
    expect(mayHold(ollama!, "cloud-writer:7b", true)).toBe(true);
    expect(mayHold(vllm!, "my-cloud", true)).toBe(true);
  });

  it("holds the command-line programs for remote even where a config says local", () => {
    for (const provider of ["aichat", "claude-cli"] as const) {
      expect(mayHold({ ...ollama!, provider }, "m", true)).toBe(`private, and ${provider} is never local`);
    }
  });
});
