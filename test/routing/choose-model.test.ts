import { describe, expect, it } from "vitest";
import { createRouter, planRoute, type RouteDefaults, type RoutedRow } from "../../src/routing/choose-model.ts";
import { allBut, everyTier, givenConfig } from "./given-config.ts";

const config = givenConfig();
const plan = (row: Partial<RoutedRow>, usable = everyTier as ReturnType<typeof allBut>, defaults: RouteDefaults = {}) =>
  planRoute({ private: false, ...row }, config, usable, defaults);

describe("the models of a row", () => {
  it("are those of its task, primary first", () => {
    expect(plan({ task: "secret" })).toMatchObject({
      ok: true,
      task: "secret",
      candidates: ["llama", "any"],
      skipped: [],
    });
  });

  it("are those of the default task for a row that names nothing", () => {
    expect(plan({})).toMatchObject({ ok: true, task: "simple", candidates: ["opus", "llama"] });
  });

  it("leave out a tier that cannot be used, and say why", () => {
    expect(plan({}, allBut({ claude: "no key" }))).toMatchObject({
      ok: true,
      candidates: ["llama"],
      skipped: [{ alias: "opus", reason: "no key" }],
    });
  });

  it("are ordered by price where the task prefers the cheapest, an unknown cloud price last", () => {
    expect(plan({ task: "thrifty" })).toMatchObject({ candidates: ["llama", "opus", "unpriced"] });
  });

  it.each([
    ["an alias", "llama", "llama"],
    ["a provider's model id", "gpt-4o", "unpriced"],
    ["a model of a tier", "ollama/qwen3:8b", "ollama/qwen3:8b"],
    ["a model of a tier that the registry has", "ollama/llama3.2", "llama"],
  ])("are the one that it names by %s", (_title, model, alias) => {
    expect(plan({ model })).toMatchObject({ ok: true, task: null, candidates: [alias] });
    expect(plan({ model, task: "simple" })).toMatchObject({ ok: true, task: "simple", candidates: [alias] });
  });

  it("are those of the task that it names as its model", () => {
    expect(plan({ model: "task:secret" })).toMatchObject({
      task: "secret",
      private: true,
      candidates: ["llama", "any"],
    });
  });
});

describe("a row for another endpoint than chat", () => {
  const request = { endpoint: "/v1/responses" as const };

  it("is asked only of models whose tier has it", () => {
    expect(plan({ task: "closed", request })).toMatchObject({ ok: false, kind: "policy" });
    expect(plan({ model: "any", request })).toMatchObject({ ok: true, candidates: ["any"] });
    expect(plan({ task: "secret", request })).toMatchObject({
      ok: true,
      candidates: ["any"],
      skipped: [{ alias: "llama", reason: "tier ollama has no /v1/responses" }],
    });
  });

  it("is invalid when no model of its route has it, and is told who has", () => {
    expect(plan({ model: "opus", request })).toMatchObject({
      ok: false,
      kind: "invalid",
      message:
        "no model of its route can be asked at /v1/responses (opus: tier claude has no /v1/responses); tiers that have it: openai, vllm",
    });
  });

  it("lacks a key rather than the endpoint where one that has it cannot be used", () => {
    const noKey = allBut({ openai: "no key" });
    expect(plan({ task: "thrifty", request }, noKey)).toMatchObject({ ok: false, kind: "no-route" });
  });

  it("has a route of its own, also where chats of the same task are routed", () => {
    const route = createRouter(config, everyTier);
    expect(route({ private: false, task: "thrifty" })).toMatchObject({ candidates: ["llama", "opus", "unpriced"] });
    expect(route({ private: false, task: "thrifty", request })).toMatchObject({ candidates: ["unpriced"] });
  });
});

describe("the defaults of the flags", () => {
  it("hold for rows that name nothing of the kind", () => {
    expect(plan({}, everyTier, { task: "secret" })).toMatchObject({ task: "secret" });
    expect(plan({ task: "simple" }, everyTier, { task: "secret" })).toMatchObject({ task: "simple" });
    expect(plan({ task: "simple" }, everyTier, { model: "any" })).toMatchObject({
      task: "simple",
      candidates: ["any"],
    });
    expect(plan({ model: "llama" }, everyTier, { model: "any" })).toMatchObject({ candidates: ["llama"] });
  });

  it('hold for lines of OpenAI\'s form that name no model but "auto", as they must name one', () => {
    expect(plan({ model: "auto" }, everyTier, { model: "any" })).toMatchObject({ candidates: ["any"] });
    expect(plan({ model: "auto", task: "secret" })).toEqual(plan({ task: "secret" }));
    expect(plan({ model: "auto" })).toEqual(plan({}));
  });

  it("give way to --force-model, and so do the rows", () => {
    expect(plan({ model: "llama" }, everyTier, { forceModel: "any", model: "opus" })).toMatchObject({
      candidates: ["any"],
    });
  });

  it("are refused at once when they name what does not exist", () => {
    const router = (defaults: RouteDefaults) => () => createRouter(config, everyTier, defaults);
    expect(router({ task: "simpel" })).toThrow(/--task: unknown task "simpel": did you mean "simple"\?.*given/);
    expect(router({ model: "lama" })).toThrow(/--model: unknown model "lama": did you mean "llama"\?/);
    expect(router({ forceModel: "olama/x" })).toThrow(/--force-model: unknown tier "olama": did you mean "ollama"\?/);
  });
});

describe("a row is invalid", () => {
  it.each([
    [{ task: "simpel" }, 'unknown task "simpel": did you mean "simple"?'],
    [{ task: "constructor" }, 'unknown task "constructor"'],
    [{ task: "" }, 'unknown task ""'],
    [{ model: "opsu" }, 'unknown model "opsu": did you mean "opus"?'],
    [{ model: "toString" }, 'unknown model "toString"'],
    [{ model: "olama/x" }, 'unknown tier "olama": did you mean "ollama"?'],
    [{ model: "ollama/" }, 'unknown tier "ollama"'],
    [{ model: "task:simpel" }, 'unknown task "simpel"'],
    [{ task: "nope", model: "llama" }, 'unknown task "nope"'],
  ])("for %o", (row, message) => {
    expect(plan(row)).toMatchObject({ ok: false, kind: "invalid", message: expect.stringContaining(message) });
  });

  it("with a name of any length, of which the message repeats only the beginning", () => {
    const failed = plan({ task: "x".repeat(100_000) });
    expect(failed.ok ? 0 : failed.message.length).toBeLessThan(500);
  });
});

describe("a private row", () => {
  it("never gets a model that is not local, whoever marked it private", () => {
    expect(plan({ private: true })).toMatchObject({ private: true, candidates: ["llama"] });
    expect(plan({ task: "leaky" })).toMatchObject({ private: true, candidates: ["any"] });
    expect(plan({ task: "leaky", private: false }, everyTier, { model: "opus" })).toMatchObject({
      ok: false,
      kind: "policy",
    });
    expect(plan({ private: true, model: "ollama/gpt-oss:cloud" })).toMatchObject({ ok: false, kind: "policy" });
    expect(plan({ private: true }, everyTier, { forceModel: "opus" })).toMatchObject({ ok: false, kind: "policy" });
  });

  it("stays private when it names a task of its own beside a task as its model", () => {
    expect(plan({ task: "secret", model: "task:simple" })).toMatchObject({ private: true, candidates: ["llama"] });
    expect(plan({ task: "secret", model: "opus" })).toMatchObject({ ok: false, kind: "policy" });
  });

  it("is one that names only a model where the default task is private", () => {
    const strict = givenConfig({ defaultTask: "secret" });
    expect(planRoute({ model: "opus", private: false }, strict, everyTier, {})).toMatchObject({
      ok: false,
      kind: "policy",
    });
  });

  it("is refused by policy when no model of its route may hold it, with each reason", () => {
    const failed = plan({ task: "closed" });
    expect(failed).toMatchObject({ ok: false, kind: "policy", task: "closed" });
    expect(failed.ok ? "" : failed.message).toMatch(/opus: .*tier claude is not local; remote: .*in its cloud/);
  });

  it("is without a route, not refused, while the local tier that may hold it cannot be used", () => {
    expect(plan({ task: "leaky" }, allBut({ vllm: "no adapter" }))).toMatchObject({ ok: false, kind: "no-route" });
  });
});

it("a row whose models all cannot be used is without a route, and told every reason", () => {
  const failed = plan({}, allBut({ claude: "no key", ollama: "no adapter" }));
  expect(failed).toMatchObject({ ok: false, kind: "no-route", task: "simple" });
  expect(failed.ok ? "" : failed.message).toBe("no model of its route can be used (opus: no key; llama: no adapter)");
});

describe("the router", () => {
  it("plans each combination of task, model and privacy once", () => {
    let asked = 0;
    const router = createRouter(config, () => {
      asked++;
      return { usable: true };
    });
    const first = router({ task: "simple", private: false });
    const askedFirst = asked;
    for (let row = 0; row < 1000; row++) expect(router({ task: "simple", private: false })).toBe(first);
    expect(asked).toBe(askedFirst);
    expect(router({ private: false })).not.toBe(first);
  });

  it("tells apart what only looks alike", () => {
    const router = createRouter(config, everyTier);
    expect(router({ private: false })).toMatchObject({ ok: true });
    expect(router({ task: "", private: false })).toMatchObject({ ok: false });
    expect(router({ model: "", private: false })).toMatchObject({ ok: false });
    expect(router({ task: "simple", private: true })).toMatchObject({ candidates: ["llama"] });
    expect(router({ task: "simple", private: false })).toMatchObject({ candidates: ["opus", "llama"] });
    expect(router({ model: "simple", private: false })).toMatchObject({ ok: false });
  });

  it("forgets the oldest of very many combinations, and plans them again alike", () => {
    const router = createRouter(config, everyTier);
    const first = router({ task: "simple", private: false });
    for (let row = 0; row < 10_000; row++) router({ model: `ollama/m${row}`, private: false });
    const again = router({ task: "simple", private: false });
    expect(again).not.toBe(first);
    expect(again).toEqual(first);
  });
});
