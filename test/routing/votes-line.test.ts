import { describe, expect, it } from "vitest";
import type { ConsensusRule } from "../../src/job/consensus.ts";
import { createRowPlanner } from "../../src/plan-row.ts";
import { possibleTiers } from "../../src/prepare-lines.ts";
import { createRouter } from "../../src/routing/choose-model.ts";
import { everyTier, givenConfig } from "./given-config.ts";

const config = givenConfig({
  models: {
    any: { tier: "vllm", model: "auto" },
    other: { tier: "vllm", model: "other" },
    limited: { tier: "vllm", model: "limited", limits: { rpm: 10 } },
    llama: { tier: "ollama", model: "llama3.2" },
    opus: { tier: "claude", model: "claude-opus-5-5" },
  },
  tasks: { simple: { primary: "any" } },
});
const route = createRouter(config, everyTier);
const plan = createRowPlanner(route, config, { noPrivateRows: undefined });

const ruleOf = (...models: string[]): ConsensusRule => ({ models, threshold: 0.5 });

function lineOf(consensus: ConsensusRule, isPrivate = false): string {
  const planned = plan({
    id: "r",
    private: isPrivate,
    consensus,
    request: { messages: [{ role: "user", content: "x" }] },
  });
  if (!planned.ok) throw new Error(planned.message);
  return planned.row.lane;
}

describe("rows that several models are asked", () => {
  it("wait in the line of their tier, with the rows of one model, where all of their models are there", () => {
    expect(lineOf(ruleOf("any", "other"))).toBe("vllm");
    expect(lineOf({ ...ruleOf("any", "other"), escalate: "llama" })).toBe("votes of any, other");
  });

  it("wait in a line of their own where one of their models may let them wait while another answers", () => {
    expect(lineOf(ruleOf("any", "llama"))).toBe("votes of any, llama");
    expect(lineOf(ruleOf("any", "limited"))).toBe("votes of any, limited");
  });

  it("wait for those models only that may be asked", () => {
    expect(lineOf(ruleOf("any", "opus"), true)).toBe("vllm");
  });

  it("need no look past rows of another line where all rows wait in one", () => {
    const kinds = [{ private: false }, { model: "other", private: false }];
    const linesWith = (rule: ConsensusRule) =>
      possibleTiers(config, route, kinds, ({ model }) => (model === undefined ? { rule, task: undefined } : undefined));
    expect(linesWith(ruleOf("any", "other"))).toBe(1);
    expect(linesWith(ruleOf("any", "llama"))).toBe(2);
  });
});
