import { expect, it } from "vitest";
import { planRoute } from "../../src/routing/choose-model.ts";
import { createMissingRoutes } from "../../src/routing/missing-routes.ts";
import { tierUsability } from "../../src/routing/usable-tier.ts";
import { everyTier, givenConfig } from "./given-config.ts";

it("a tier is usable with an adapter and the key that it names", () => {
  const usable = tierUsability(givenConfig({}, { OPENAI_API_KEY: "key" }), (provider) => provider !== "vllm");
  expect(usable("openai")).toEqual({ usable: true });
  expect(usable("ollama")).toEqual({ usable: true });
  expect(usable("vllm")).toEqual({ usable: false, reason: "no adapter for provider vllm in this version" });
  const reason = "ANTHROPIC_API_KEY is not set (environment, ~/.config/promptfleet/env, ~/.config/claude-code/env)";
  expect(usable("claude")).toEqual({ usable: false, reason });
});

it("rows without a route are told by task what is missing and how to mend it, the most rows first", () => {
  const config = givenConfig();
  const usable = tierUsability(config, (provider) => provider === "anthropic");
  const missing = createMissingRoutes();
  for (const task of ["secret", "simple", "simple", "simple"]) {
    const route = planRoute({ task, private: false }, config, usable, {});
    if (!route.ok) missing.add(route);
  }
  const unnamed = planRoute({ model: "gpt-4o", private: false }, config, usable, {});
  if (!unnamed.ok) missing.add(unnamed);
  expect(missing.rows()).toBe(5);
  expect(missing.message().split("\n")).toEqual([
    "5 rows have no model that can be used; nothing was sent.",
    "  task simple (3 rows):",
    expect.stringContaining("    opus: ANTHROPIC_API_KEY is not set"),
    "    llama: no adapter for provider ollama in this version",
    "  task secret (1 row):",
    "    llama: no adapter for provider ollama in this version",
    "    any: no adapter for provider vllm in this version",
    "  without a task (1 row):",
    "    unpriced: no adapter for provider openai in this version",
    "To mend it:",
    expect.stringContaining("put ANTHROPIC_API_KEY into the environment or ~/.config/promptfleet/env"),
    expect.stringContaining("--model ollama/llama3.2"),
    expect.stringContaining('"extends": "default"'),
    expect.stringContaining("--wait"),
  ]);
});

it("no key is asked for where none is missing", () => {
  const missing = createMissingRoutes();
  missing.add({
    ok: false,
    kind: "no-route",
    task: "simple",
    message: "",
    skipped: [{ alias: "a", reason: "no adapter" }],
    order: [],
  });
  expect(missing.message()).not.toContain("env.template");
  expect(missing.message()).toContain("1 row has no model");
  expect(planRoute({ private: false }, givenConfig(), everyTier, {}).ok).toBe(true);
});
