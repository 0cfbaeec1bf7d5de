import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { type Ended, givenProject, inputLines, type Project } from "../support/cli.ts";
import { givenBackend } from "../support/given-backend.ts";
import { until } from "../support/until.ts";

/** How many of a run's answers came from each model. */
function byModel(project: Project): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const line of readFileSync(project.output, "utf8").trimEnd().split("\n")) {
    const { model } = JSON.parse(line) as { model: string };
    counts[model] = (counts[model] ?? 0) + 1;
  }
  return counts;
}

it("a task that prefers the fastest model goes by what earlier runs have measured", async () => {
  const [slow, fast] = [await givenBackend({ latencyMs: 150 }), await givenBackend({ latencyMs: 5 })];
  const project = await givenProject({
    rows: 30,
    config: {
      tiers: {
        slow: { provider: "openai-compatible", baseUrl: slow.baseUrl },
        fast: { provider: "openai-compatible", baseUrl: fast.baseUrl },
      },
      models: { "on-slow": { tier: "slow", model: "auto" }, "on-fast": { tier: "fast", model: "auto" } },
      tasks: { quick: { primary: "on-slow", fallback: ["on-fast"], prefer: "fastest" } },
    },
  });
  const run = (...args: string[]): Promise<Ended> => project.run("--fresh", ...args);
  expect((await run("--task", "quick")).code).toBe(0);
  expect(byModel(project)).toEqual({ "on-slow": 30 });
  expect((await run("--force-model", "on-fast")).code).toBe(0);
  expect((await run("--task", "quick")).code).toBe(0);
  expect(byModel(project)).toEqual({ "on-fast": 30 });
  const { route } = JSON.parse((await project.start(["models", "--why", "quick", "--json"]).ended).stdout);
  expect(route.map(({ alias, why }: { alias: string; why: string }) => `${alias} ${why}`)).toEqual([
    expect.stringMatching(/^on-fast \d+ ms an answer$/),
    expect.stringMatching(/^on-slow \d+ ms an answer$/),
  ]);
});

it("a key that is changed in its file goes into use in the middle of a run, and none of its rows fails", async () => {
  const accepted = { key: "Bearer sk-first-key-0123456789" };
  const backend = await givenBackend({
    fault: ({ headers }) => (headers.authorization === accepted.key ? undefined : { kind: "status", status: 401 }),
    latencyMs: 20,
  });
  const project = await givenProject({
    config: {
      tiers: {
        paid: { provider: "openai-compatible", baseUrl: backend.baseUrl, apiKeyEnv: "PAID_KEY", concurrency: 4 },
      },
      models: { paid: { tier: "paid", model: "auto" } },
    },
  });
  project.write("in.jsonl", inputLines(400));
  const keyFile = project.path(".config/promptfleet/env");
  mkdirSync(project.path(".config/promptfleet"), { recursive: true });
  writeFileSync(keyFile, "PAID_KEY=sk-first-key-0123456789\n", { mode: 0o600 });
  const run = project.start(["run", project.input, "-o", project.output, "--force-model", "paid"]);
  await until("some answers", () => backend.stats().answered > 50);
  accepted.key = "Bearer sk-second-key-9876543210";
  await until("the key to be refused and looked up", () => run.stderr().includes("put a valid PAID_KEY"), 20_000);
  // A file that others can read is not taken, and the run says so.
  writeFileSync(keyFile, "PAID_KEY=sk-second-key-9876543210\n");
  chmodSync(keyFile, 0o644);
  await until("the run to say so", () => run.stderr().includes(`chmod 600 '${keyFile}'`), 30_000);
  chmodSync(keyFile, 0o600);
  const ended = await run.ended;
  expect(ended.code).toBe(0);
  expect(ended.stderr).toContain("400 answered, 0 failed");
  expect(ended.stderr).not.toMatch(/sk-(first|second)/);
  expect(byModel(project)).toEqual({ paid: 400 });
}, 60_000);
