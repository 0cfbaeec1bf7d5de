import { existsSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { givenProject, inputLines, type ProjectOptions, summaryOf } from "../support/cli.ts";

/** A model that costs a dollar for a million tokens in and ten for a million out, on the simulated server. */
const priced = {
  models: { paid: { tier: "lab", model: "simulated-model", price: { inputPerMTok: 1, outputPerMTok: 10 } } },
};
const keyless: ProjectOptions["config"] = {
  tasks: { dear: { primary: "paid", fallback: ["keyless"] } },
  tiers: { locked: { provider: "openai", apiKeyEnv: "LOCKED_KEY" } },
  models: { ...priced.models, keyless: { tier: "locked", model: "gpt-4o" } },
};

it("tells what a run would do, and sends nothing", async () => {
  const project = await givenProject({ config: keyless });
  project.write("in.jsonl", `${inputLines(40)}{"prompt":"dear #d","task":"dear"}\n{"prompt":1}\n`);
  const ended = await project.start(["plan", project.input, "--json"]).ended;
  expect(ended.code).toBe(0);
  const plan = JSON.parse(ended.stdout);
  expect(plan).toMatchObject({ rows: 41, unusable: 1, rows_without_price: 0, waits_for: [] });
  const kinds = plan.groups.map(({ task, model, tier, rows, basis }: Record<string, unknown>) => ({
    ...{ task, model, tier, rows, basis },
  }));
  expect(kinds).toEqual([
    { task: "simple", model: "small", tier: "lab", rows: 40, basis: "guessed" },
    { task: "dear", model: "paid", tier: "lab", rows: 1, basis: "guessed" },
  ]);
  expect(plan.cost_usd.low).toBeGreaterThan(0);
  expect(plan.cost_usd.high).toBeLessThan(0.03);
  expect(plan.missing).toEqual([
    { model: "keyless", rows: 1, reason: expect.stringContaining("LOCKED_KEY is not set") },
  ]);
  expect(project.backend.requests()).toBe(0);
  expect(await project.redisPid()).toBeUndefined();
  expect(existsSync(project.dataDirectory)).toBe(false);

  const shown = (await project.start(["plan", project.input]).ended).stdout;
  expect(shown).toMatch(/simple +small +lab +40 /);
  expect(shown).toMatch(/missing +keyless, in the route of 1 row: LOCKED_KEY is not set/);
  expect(shown).toMatch(/unusable +1 row/);
});

it("says which servers do not answer now", async () => {
  const project = await givenProject({ rows: 2 });
  await project.backend.close();
  const { stdout } = await project.start(["plan", project.input]).ended;
  expect(stdout).toMatch(/waits for +small: .*connection refused/i);
});

it("refuses in the words of run what run refuses", async () => {
  const project = await givenProject({ config: keyless });
  const refused = async (...args: string[]): Promise<string> => {
    const ended = await project.start(args).ended;
    expect(ended.code).toBe(1);
    return ended.stderr;
  };
  const output = ["-o", project.output];
  expect(await refused("plan", "missing.jsonl")).toBe(await refused("run", "missing.jsonl", ...output));
  project.write("in.jsonl", '{"prompt":"x","model":"keyless"}\n');
  const noRoute = await refused("plan", project.input);
  expect(noRoute).toContain("1 row has no model that can be used; nothing was sent.");
  expect(noRoute).toBe(await refused("run", project.input, ...output));
});

it("stands before a run that costs, and is compared with what it came to", async () => {
  const project = await givenProject({ rows: 30, config: priced });
  const free = await project.run();
  expect(free).toMatchObject({ code: 0, stderr: expect.not.stringContaining("plan") });
  const paid = await project.run("--fresh", "--model", "paid");
  expect(paid.code).toBe(0);
  const [first] = paid.stderr.split("\n");
  expect(first).toMatch(
    /^plan: 30 rows · .* tokens in, .* out · \$\S+ \(\$\S+ to \$\S+\) · \d+ s \(\d+ s to \d+ \w+\) \(guessed/,
  );
  expect(paid.stderr).toMatch(
    /planned: \$\S+ \(.*\) and .* tokens in \d+ s \(.*\); it took \$0.0021 and 750 in [\d.]+ s\n/,
  );
  expect(paid.stderr).not.toContain("--confirm-above");

  const much = await project.run("--fresh", "--model", "paid", "--confirm-above", "0.0001");
  expect(much.code).toBe(0);
  expect(much.stderr).toContain("more than --confirm-above $0.0001; it goes on, as there is no terminal to ask at");
  const json = await project.run("--fresh", "--model", "paid", "--confirm-above", "0", "--json");
  expect(JSON.parse(json.stdout.split("\n")[0]!).plan).toMatchObject({ rows: 30 });
  expect(summaryOf(json)).toMatchObject({ state: "finished", answered: 30 });
});

it("sends a sample that the run does not pay for again, and goes by its answers", async () => {
  const project = await givenProject({ rows: 200, config: priced });
  const plan = (...args: string[]) => project.start(["plan", project.input, "--model", "paid", ...args]).ended;
  expect(await plan("--sample", "20")).toMatchObject({ code: 1, stderr: expect.stringContaining("needs -o OUTPUT") });
  expect(project.backend.requests()).toBe(0);

  const sampled = await plan("--sample", "20", "-o", project.output, "--json");
  expect(sampled).toMatchObject({ code: 0, stderr: expect.stringContaining("sample: 20 of 20 rows, $0.0014") });
  expect(project.backend.requests()).toBe(20);
  expect(existsSync(project.output)).toBe(false);
  const asked = [...project.backend.countsByKey.keys()].map((key) => Number(key.slice(1)));
  // One of each ten rows.
  expect(new Set(asked.map((row) => Math.floor(row / 10))).size).toBe(20);
  const { rows, done, groups, output_tokens, cost_usd } = JSON.parse(sampled.stdout);
  expect({ rows, done: done.rows, basis: groups[0].basis }).toEqual({ rows: 180, done: 20, basis: "measured" });
  expect(output_tokens).toEqual({ low: 900, likely: 900, high: 900 });
  // The simulated server says 20 tokens of each prompt.
  expect(cost_usd.likely).toBeCloseTo(180 * 0.00007, 4);

  const ended = await project.run("--model", "paid");
  expect(ended.code).toBe(0);
  expect(ended.stderr).toMatch(/^plan: 180 rows left/);
  expect(ended.stderr).not.toContain("the configuration changed");
  expect(project.backend.requests()).toBe(200);
  expect(readFileSync(project.output, "utf8").trimEnd().split("\n").length).toBe(200);
  const again = await plan("-o", project.output);
  expect(again).toMatchObject({ code: 0, stderr: expect.stringContaining("is whole already") });
});

it("leaves OUTPUT to the run when the sample is all there is", async () => {
  const project = await givenProject({ rows: 5 });
  const args = ["plan", project.input, "-o", project.output, "--sample", "20", "--json"];
  const { code, stdout } = await project.start(args).ended;
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ rows: 0, done: { rows: 5 } });
  expect(existsSync(project.output)).toBe(false);
  expect(summaryOf(await project.run("--json"))).toMatchObject({ state: "finished", answered: 5 });
  expect(project.backend.requests()).toBe(5);
});

it("counts a judge and a stronger model in the upper bound of rows with consensus, and as expected one of them", async () => {
  const models = Object.fromEntries(
    ["judge", "strong"].map((alias) => [alias, { ...priced.models.paid, model: alias }]),
  );
  const project = await givenProject({
    config: { models: { ...models, other: { tier: "lab", model: "other-model" } } },
  });
  const planOf = async (rule: Record<string, unknown>, more: Record<string, unknown> = {}) => {
    const consensus = { models: ["small", "other"], threshold: 1, ...rule };
    const line = JSON.stringify({ prompt: "Why?", max_tokens: 100, consensus, ...more });
    project.write("in.jsonl", `${line}\n`.repeat(10));
    return JSON.parse((await project.start(["plan", project.input, "--json"]).ended).stdout);
  };
  const costsOf = async (rule: Record<string, unknown>, more?: Record<string, unknown>) => {
    const { rows, groups } = await planOf(rule, more);
    expect(rows, JSON.stringify(groups)).toBe(20);
    return Object.fromEntries(groups.map((one: { model: string; cost_usd: unknown }) => [one.model, one.cost_usd]));
  };
  const isExpected = { low: 0, likely: expect.closeTo(0.01, 2), high: expect.closeTo(0.01, 2) };
  const maybe = { low: 0, likely: 0, high: expect.closeTo(0.01, 2) };
  const free = { low: 0, likely: 0, high: 0 };
  const votes = { small: free, other: free };
  const both = await costsOf({ judge: "judge", escalate: "strong" });
  expect(both).toMatchObject({ ...votes, strong: maybe });
  // It is shown two answers of up to 1,200 tokens, and may write as many, whatever the row may.
  expect(both.judge).toMatchObject({ low: 0, likely: expect.closeTo(0.03, 2), high: expect.closeTo(0.144, 2) });
  // Embeddings are made of the two answers alone, and nothing is written.
  const embedded = await costsOf({ similarity: { model: "judge", atLeast: 0.9 } });
  expect(embedded.judge).toMatchObject({ low: 0, likely: expect.closeTo(0.005, 3), high: expect.closeTo(0.024, 3) });
  expect(await costsOf({ escalate: "strong" })).toMatchObject({ ...votes, strong: isExpected });
  const choices = { choices: ["yes", "no"] };
  const labels = await costsOf({ judge: "judge", escalate: "strong" }, choices);
  expect(labels).toEqual({ ...votes, strong: { low: 0, likely: 0, high: expect.any(Number) } });
  expect(labels.strong.high).toBeGreaterThan(0.001);
});
