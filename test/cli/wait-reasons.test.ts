import { describe, expect, it } from "vitest";
import type { ConfigFile } from "../../src/config/schema.ts";
import { givenProject, type ProjectOptions } from "../support/cli.ts";
import { givenDeadBackend } from "../support/given-backend.ts";
import { until } from "../support/until.ts";

type Tier = NonNullable<ConfigFile["tiers"]>[string];

interface Wait {
  readonly what: string;
  readonly says: RegExp;
  readonly tier?: Partial<Tier>;
  readonly backend?: ProjectOptions["backend"];
  readonly args?: readonly string[];
  readonly isDown?: boolean;
  /** Rows have a second model. */
  readonly hasFallback?: boolean;
  /** Default 40. */
  readonly rows?: number;
}

const price = { inputPerMTok: 1, outputPerMTok: 2 };
const answering = (status: number, message: string, headers = {}): ProjectOptions["backend"] => ({
  fault: { kind: "status", status, headers, body: JSON.stringify({ error: { message } }) },
});

const waits: readonly Wait[] = [
  { what: "its limit is in use", says: /its limit of requests a minute is in use/, tier: { limits: { rpm: 6 } } },
  { what: "its tokens are in use", says: /its limit of tokens a minute is in use/, tier: { limits: { tpm: 60 } } },
  {
    what: "nobody knows its limits yet",
    says: /it waits for the first answer, which tells its limits/,
    tier: { limits: "auto" },
    backend: { fault: { kind: "stall" } },
  },
  {
    what: "its provider asks for two hours",
    says: /answers 429: come back later \(until \d{4}-\d\d-\d\d \d\d:\d\d UTC\)/,
    backend: answering(429, "come back later", { "retry-after": "7200" }),
  },
  { what: "nothing listens there", says: /refused/i, isDown: true },
  {
    what: "nothing listens there, and its rows have another model",
    says: /refused.*; rows that have another model go there by \d\d:\d\d UTC/i,
    isDown: true,
    hasFallback: true,
  },
  {
    what: "nothing listens there, and their other model is down, too",
    says: /refused.*; rows that have another model go there once it can be asked/i,
    isDown: true,
    hasFallback: true,
    tier: { fallbackAfterMs: 100 },
  },
  {
    what: "what is left has erred",
    says: /its last call ended with a server error; such rows are asked again within a minute/,
    backend: answering(500, "no idea"),
    rows: 1,
  },
  { what: "its key is refused", says: /401/, backend: answering(401, "who are you") },
  {
    what: "its model is missing",
    says: /404/,
    backend: {
      fault: {
        kind: "status",
        status: 404,
        body: '{"error":{"message":"The model does not exist","code":"model_not_found"}}',
      },
    },
  },
  { what: "its server is ill", says: /503/, backend: answering(503, "overloaded") },
  {
    what: "its budget of the day is spent",
    says: /its budget of today is spent; it goes on at 00:00 UTC/,
    tier: { dailyBudgetUsd: 0.0005 },
  },
  {
    what: "its budget of a day is below one call",
    says: /a call may cost more than its whole budget of a day; give the tier a larger dailyBudgetUsd/,
    tier: { dailyBudgetUsd: 0.00001 },
  },
  {
    what: "the rest of the budget is reserved",
    says: /the rest of the budget is reserved for calls in flight/,
    backend: { fault: { kind: "stall" } },
    args: ["--budget", "0.0005"],
  },
];

describe.concurrent("a run whose tier waits says why:", () => {
  it.each(waits)(
    "$what",
    async ({ says, tier = {}, backend = {}, args = [], isDown = false, hasFallback = false, rows = 40 }) => {
      const project = await givenProject({
        rows,
        backend,
        config: { models: { small: { tier: "lab", model: "simulated-model", maxOutputTokens: 40, price } } },
      });
      const lab = {
        ...{ provider: "openai-compatible" as const, baseUrl: project.backend.baseUrl, location: "cloud" as const },
        ...{ concurrency: 4, ...tier },
      };
      const small = { tier: "lab", model: "simulated-model", maxOutputTokens: 40, price };
      const spare = { ...lab, baseUrl: (await givenDeadBackend()).baseUrl };
      const models = { small, spare: { ...small, tier: "spare" } };
      const simple = { primary: "small", ...(hasFallback ? { fallback: ["spare"] } : {}) };
      project.write("models.json", JSON.stringify({ tiers: { lab, spare }, models, tasks: { simple } }));
      if (isDown) await project.backend.close();
      const run = project.start(["run", project.input, "-o", project.output, "--json", ...args]);
      const reason = await until(
        "the reason",
        () => /"tier":"lab"[^}]*"reason":"([^"]*)"/.exec(run.stdout())?.[1],
        30_000,
      );
      expect(reason).toMatch(says);
      run.signal("SIGKILL");
      await run.ended;
    },
    60_000,
  );
});

describe.concurrent("a run that waits for other processes says so:", () => {
  it("all calls of its tier are another one's share", async () => {
    const project = await givenProject({ rows: 5, concurrency: 1, backend: { fault: { kind: "stall" } } });
    const start = (output: string) => project.start(["run", project.input, "-o", project.path(output), "--json"]);
    const runs = [start("one.jsonl")];
    await until("the first to have the one call", () => project.backend.inFlight === 1);
    runs.push(start("other.jsonl"));
    const said = () => runs.map((run) => run.stdout()).join("");
    await until("the other to say why it waits", () =>
      said().includes('"reason":"all its calls are other processes\' share'),
    );
    for (const run of runs) {
      run.signal("SIGKILL");
      await run.ended;
    }
  }, 60_000);
});
