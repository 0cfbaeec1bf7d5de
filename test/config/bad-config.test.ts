import { describe, expect, it } from "vitest";
import { loadFile, refusalOf, smallConfig } from "./given-files.ts";

const withTier = (tier: object, name = "lab") => ({ ...smallConfig, tiers: { ...smallConfig.tiers, [name]: tier } });
const withModel = (model: object) => ({ ...smallConfig, models: { small: { tier: "lab", model: "m", ...model } } });
const withTask = (task: object) => ({ ...smallConfig, tasks: { simple: { primary: "small", ...task } } });
const ollama = (more: object) => withTier({ provider: "ollama", ...more });

/** What is wrong, the config, and what its message must say: path, expected, found, and how to mend it. */
const badConfigs: readonly [title: string, config: object, ...parts: string[]][] = [
  ["an unknown key", ollama({ concurency: 3 }), "tiers.lab.concurency", 'did you mean "concurrency"?'],
  ["an unknown key at the top", { ...smallConfig, taskz: {} }, 'the unknown key "taskz"', 'did you mean "tasks"?'],
  ["an unknown key in limits", ollama({ limits: { rmp: 3 } }), "tiers.lab.limits.rmp", 'did you mean "rpm"?'],
  [
    "an unknown key in a price",
    withModel({ price: { inputPerMTok: 1, outputPerMTok: 1, sorce: "x" } }),
    'did you mean "source"?',
  ],
  ["a wrong type", withTask({ private: "yes" }), "tasks.simple.private", "expected true or false", 'found "yes"'],
  ["a tier that is no object", withTier(5 as never), "tiers.lab\n", "expected a tier such as", "found 5"],
  ["a limit of 0", ollama({ limits: { rpm: 0 } }), "tiers.lab.limits.rpm", "from 0.01", "found 0"],
  ["a limit below 0", ollama({ limits: { tpm: -5 } }), "tiers.lab.limits.tpm", "from 0.01", "found -5"],
  ["an absurd limit", ollama({ limits: { tpm: 1e30 } }), "tiers.lab.limits.tpm", "to 1000000000000"],
  ["a negative limit of a model", withModel({ limits: { inputTpm: -5 } }), "models.small.limits.inputTpm", "found -5"],
  ["a concurrency of 0", ollama({ concurrency: 0 }), "tiers.lab.concurrency", "from 1 to 100000", "found 0"],
  [
    "a concurrency that is a word",
    ollama({ concurrency: "many" }),
    "tiers.lab.concurrency",
    'or "auto"',
    'found "many"',
  ],
  [
    "a concurrency above its maximum",
    ollama({ concurrency: 9, maxConcurrency: 3 }),
    "at most maxConcurrency (3)",
    "found 9",
  ],
  [
    "a timeout longer than timers can wait",
    ollama({ requestTimeoutMs: 2 ** 31 }),
    "tiers.lab.requestTimeoutMs",
    "2147483647",
  ],
  [
    "a negative price",
    withModel({ price: { inputPerMTok: -1, outputPerMTok: 1 } }),
    "models.small.price.inputPerMTok",
    "found -1",
  ],
  ["half a price", withModel({ price: { inputPerMTok: 1 } }), "models.small.price.outputPerMTok", "found nothing"],
  [
    "a day that is none",
    withModel({ price: { inputPerMTok: 1, outputPerMTok: 1, date: "20.11." } }),
    "price.date",
    "2026-11-20",
  ],
  ["an output of 0 tokens", withModel({ maxOutputTokens: 0 }), "models.small.maxOutputTokens", "tokens above 0"],
  [
    "a URL that is not HTTP",
    ollama({ baseUrl: "ftp://lab" }),
    "tiers.lab.baseUrl",
    "http:// or https://",
    'found "ftp://lab"',
  ],
  ["a URL among others that is none", ollama({ baseUrl: ["http://a", "b"] }), "tiers.lab.baseUrl[1]", 'found "b"'],
  ["an empty list of URLs", ollama({ baseUrl: [] }), "tiers.lab.baseUrl", "at least one URL"],
  ["the same endpoint twice", ollama({ baseUrl: ["http://a/", "http://a"] }), "expected each URL once"],
  ["a server without URL", withTier({ provider: "openai-compatible" }), 'add "baseUrl"'],
  ["a URL for what is no server", withTier({ provider: "llama-cpp", baseUrl: "http://a" }), "llama-cpp is no server"],
  ["an unknown provider", withTier({ provider: "olama" }), "tiers.lab.provider", 'did you mean "ollama"?'],
  ["a tier without provider", withTier({ concurrency: 1 }), 'add "provider"'],
  ["a tier name with a space", withTier({ provider: "ollama" }, "my lab"), 'tiers["my lab"]', "lower-case letters"],
  ["a tier name in capitals", withTier({ provider: "ollama" }, "Lab2"), "tiers.Lab2", "rename it"],
  ["the reserved tier inbox", withTier({ provider: "ollama" }, "inbox"), "tiers.inbox", "queues of the fleet"],
  ["the reserved tier batches", withTier({ provider: "ollama" }, "batches"), "tiers.batches", "queues of the fleet"],
  [
    "a token in plain text instead of its hash",
    { ...smallConfig, serve: { tokens: [{ sha256: "s3cret", role: "read", name: "ci" }] } },
    "serve.tokens[0].sha256",
    "printf %s TOKEN | sha256sum",
    "not shown",
  ],
  [
    "an unknown role",
    { ...smallConfig, serve: { tokens: [{ sha256: "0".repeat(64), role: "reed", name: "ci" }] } },
    "serve.tokens[0].role",
    '"read", "submit" or "admin"',
  ],
  ["no requests at all", { ...smallConfig, serve: { limits: { maxRequestsPerMinute: 0 } } }, "from 1 to", "found 0"],
  ["a retention of minutes", { ...smallConfig, serve: { retention: "30m" } }, "serve.retention", "at least 1h"],
  [
    "a webhook that is no URL",
    { ...smallConfig, serve: { webhook: { url: "file:///etc/passwd" } } },
    "serve.webhook.url",
    "https:// or http://",
  ],
  [
    "a slash in an alias",
    { ...smallConfig, models: { ...smallConfig.models, "a/b": { tier: "lab", model: "m" } } },
    "a/b",
    "rename",
  ],
  ["a model on an unknown tier", withModel({ tier: "lap" }), "models.small.tier", 'did you mean "lab"?'],
  ["a model without tier", { ...smallConfig, models: { small: { model: "m" } } }, "models.small.tier", 'add "tier"'],
  [
    "a route to an unknown model",
    withTask({ fallback: ["smal"] }),
    "tasks.simple.fallback[0]",
    'did you mean "small"?',
  ],
  ["an unknown primary", withTask({ primary: "smoll" }), "tasks.simple.primary", 'did you mean "small"?'],
  [
    "a model twice in a route",
    withTask({ fallback: ["small"] }),
    "tasks.simple.fallback[0]",
    '"small" again',
    "remove it",
  ],
  ["an unknown default task", { ...smallConfig, defaultTask: "simpel" }, "defaultTask", 'did you mean "simple"?'],
  [
    "no default task",
    { ...smallConfig, tasks: { other: { primary: "small" } } },
    "defaultTask",
    'found "simple"',
    '"other"',
  ],
  ["aichat declared local", withTier({ provider: "aichat", location: "local" }), "tiers.lab.location", "aichat sends"],
  [
    "claude-cli declared local",
    withTier({ provider: "claude-cli", location: "local" }),
    "tiers.lab.location",
    "claude-cli sends",
  ],
  [
    "a public address declared local",
    ollama({ baseUrl: "http://8.8.8.8", location: "local" }),
    "tiers.lab.location",
    "trustedHosts",
  ],
  [
    "a trusted host with a scheme",
    { ...smallConfig, policy: { trustedHosts: ["http://a/"] } },
    "policy.trustedHosts[0]",
  ],
  [
    "a word that detects nothing",
    { ...smallConfig, policy: { detect: ["e-mail"] } },
    "policy.detect[0]",
    'did you mean "email"?',
  ],
  [
    "a pattern that may take ages",
    { ...smallConfig, policy: { detect: ["email", "/(a+)+b/"] } },
    "policy.detect[1]",
    "a pattern that is quick on every text",
  ],
  ["an unknown extends", { ...smallConfig, extends: "other.json" }, "extends", '"default"', 'found "other.json"'],
  ["no tiers, models and tasks", {}, "tiers", "models", "tasks", '"extends": "default"'],
  ["a list instead of an object", [], "(the whole file)", "expected an object with tiers"],
];

describe("a bad config", () => {
  it.each(badConfigs)("is refused for %s", async (_title, config, ...parts) => {
    const refusal = await refusalOf(loadFile(config));
    for (const part of parts) expect(refusal).toContain(part);
    expect(refusal).toContain("promptfleet.json");
  });

  it("is told one problem only for one mistake", async () => {
    for (const [title, config] of badConfigs.filter(([title]) => title !== "no tiers, models and tasks")) {
      expect([title, (await refusalOf(loadFile(config))).split("\n")[0]]).toEqual([
        title,
        expect.stringContaining("1 problem "),
      ]);
    }
  });

  it("is told all its problems at once, in the order of the file, with line and column", async () => {
    const text = `{
  "tiers": { "lab": { "provider": "ollama", "concurrency": 0 } },
  // a comment
  "models": { "small": { "tier": "lap", "model": "m", "prise": {} } },
  "tasks": { "simple": { "primary": "big" } }
}`;
    const refusal = await refusalOf(loadFile(text));
    expect(refusal).toContain("4 problems");
    expect(
      refusal.match(/promptfleet\.json:\d+:\d+ {2}\S+/g)?.map((place) => place.split("promptfleet.json:")[1]),
    ).toEqual([
      "2:45  tiers.lab.concurrency",
      "4:26  models.small.tier",
      "4:55  models.small.prise",
      "5:26  tasks.simple.primary",
    ]);
  });

  it("does not repeat a key that stands in the wrong place", async () => {
    const secret = "sk-ant-SECRET";
    const places = [
      { apiKeyEnv: secret },
      { apiKey: secret },
      { baseUrl: `https://me:${secret}@lab` },
      { baseUrl: `http://a?key=${secret}` },
    ];
    for (const place of places) expect(await refusalOf(loadFile(ollama(place)))).not.toContain(secret);
  });
});

describe("a file that is no JSON", () => {
  it.each([
    ["an empty file", "", "promptfleet.json:1:1  value expected"],
    ["a missing colon", '{\n  "tiers": {},\n  "tasks" {}\n}', "promptfleet.json:3:11  colon expected"],
    ["a file cut short", '{"tiers": {', "close brace expected"],
    [
      "a key twice in one object",
      '{"tiers": {}, "tasks": {},\n "tiers": {}}',
      'promptfleet.json:2:2  the key "tiers" stands twice',
    ],
  ])("is refused with line and column: %s", async (_title, text, expected) => {
    const refusal = await refusalOf(loadFile(text));
    expect(refusal).toContain(expected);
    expect(refusal).toContain("is not valid JSON");
  });
});
