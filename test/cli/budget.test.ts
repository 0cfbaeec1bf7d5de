import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { givenProject, type ProjectOptions, summaryOf } from "../support/cli.ts";
import { assertEachResultOnce } from "../support/laws.ts";

/** A call costs $0.00003: 20 tokens of input and 5 of output, as the SIMULATED backend reports. */
const price = { inputPerMTok: 1, outputPerMTok: 2 };
const priced: ProjectOptions = {
  rows: 120,
  config: {
    models: {
      small: { tier: "lab", model: "simulated-model", maxOutputTokens: 40, price },
      free: { tier: "lab", model: "free-model", price: { inputPerMTok: 0, outputPerMTok: 0 } },
    },
  },
};

describe.concurrent("run --budget", () => {
  it("stops with exit code 3 before it is passed, and a larger one resumes without asking anything twice", async () => {
    const project = await givenProject(priced);
    const first = await project.run("--budget", "0.002", "--json");
    expect(first.code).toBe(3);
    const summary = summaryOf(first);
    expect(summary).toMatchObject({ state: "budget_spent", budget_usd: 0.002, unconfirmed_usd: 0, failed: 0 });
    expect(summary.answered as number).toBeGreaterThan(30);
    expect(summary.spent_usd).toBeLessThanOrEqual(0.002);
    expect(summary.spent_usd).toBeCloseTo((summary.answered as number) * 0.00003, 6);
    expect(existsSync(project.output)).toBe(false);

    const second = await project.run("--budget", "1", "--json");
    expect(second.code).toBe(0);
    expect(summaryOf(second).spent_usd).toBeCloseTo(120 * 0.00003, 6);
    assertEachResultOnce(project.output, 120);
    expect(project.backend.requests()).toBe(120);
  });

  it("says why rows wait, and what is left to do", async () => {
    const project = await givenProject(priced);
    const { code, stderr } = await project.run("--budget", "0.001");
    expect(code).toBe(3);
    expect(stderr).toContain("the budget is spent; what is left can be resumed with a larger --budget");
    expect(stderr).toMatch(/spent: \$0\.000\d+ of \$0\.0010/);
  });

  it("of 0 asks free models only", async () => {
    const project = await givenProject(priced);
    const rows = Array.from({ length: 20 }, (_, row) => ({
      prompt: `#r${row}`,
      ...(row % 2 === 0 ? { model: "free" } : {}),
    }));
    project.write("in.jsonl", rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const ended = await project.run("--budget", "0", "--json");
    expect(ended.code).toBe(3);
    expect(summaryOf(ended)).toMatchObject({ answered: 10, spent_usd: 0 });
    expect(project.backend.requests()).toBe(10);
  });

  it("counts calls that fail after they were sent at all that they can have cost", async () => {
    const project = await givenProject({
      ...priced,
      rows: 40,
      backend: { fault: ({ ask, key }) => (ask === 1 && key.endsWith("3") ? { kind: "html" } : undefined) },
    });
    const ended = await project.run("--budget", "1", "--json");
    expect(ended.code).toBe(0);
    const summary = summaryOf(ended);
    expect(summary.unconfirmed_usd).toBeGreaterThan(4 * 0.00003);
    expect(summary.spent_usd).toBeCloseTo(40 * 0.00003 + (summary.unconfirmed_usd as number), 6);
  });

  it("refuses a model whose price nobody knows before anything is sent", async () => {
    const project = await givenProject({
      rows: 3,
      config: {
        tiers: { cloud: { provider: "openai-compatible", baseUrl: "http://example.net/v1", location: "cloud" } },
        models: { unpriced: { tier: "cloud", model: "who-knows" } },
        tasks: { simple: { primary: "small", fallback: ["unpriced"] } },
      },
    });
    const { code, stderr } = await project.run("--budget", "1");
    expect(code).toBe(1);
    expect(stderr).toContain("unpriced: nobody knows the price of who-knows");
    expect(project.backend.requests()).toBe(0);
  });

  it("refuses a program whose cost cannot be bounded", async () => {
    const project = await givenProject({
      rows: 3,
      config: {
        tiers: { cli: { provider: "aichat", location: "cloud" } },
        models: { chat: { tier: "cli", model: "any", price } },
        tasks: { simple: { primary: "small", fallback: ["chat"] } },
      },
    });
    const { code, stderr } = await project.run("--budget", "1", "--wait");
    expect(code).toBe(1);
    expect(stderr).toContain("chat: what aichat spends on a call cannot be bounded");
  });

  it("expects dollars", async () => {
    const project = await givenProject(priced);
    const { code, stderr } = await project.run("--budget", "much");
    expect(code).toBe(1);
    expect(stderr).toContain("expected US dollars");
  });
});
