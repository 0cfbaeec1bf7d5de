import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pass } from "node:timers/promises";
import { expect, it } from "vitest";
import { readVariable } from "../../src/config/environment.ts";
import { givenProject, summaryOf } from "../support/cli.ts";
import { assertEachResultOnce } from "../support/laws.ts";
import type { SimulatedFault } from "../support/simulated-answers.ts";
import { until } from "../support/until.ts";

/* The long form, five minutes of each: PROMPTFLEET_TEST_OUTAGE_SECONDS=300 npx vitest run test/chaos/long-outage.test.ts */
const outageSeconds = Number(readVariable("PROMPTFLEET_TEST_OUTAGE_SECONDS") ?? 2);
const count = 1_000;

interface Progress {
  readonly answered: number;
  readonly failed: number;
  readonly tiers: readonly { readonly tier: string; readonly reason?: string }[];
}

it(`outlives ${outageSeconds} s of 500s, then of 401s, of its only tier: it says why it waits, and no row fails`, {
  timeout: 2 * outageSeconds * 1_000 + 120_000,
}, async () => {
  const project = await givenProject({ rows: count, backend: { latencyMs: 40 } });
  const { baseUrl } = project.backend;
  const lab = { provider: "openai-compatible", baseUrl, location: "cloud", concurrency: 8, apiKeyEnv: "LAB_KEY" };
  const models = { small: { tier: "lab", model: "simulated-model" } };
  project.write("models.json", JSON.stringify({ tiers: { lab }, models, tasks: { simple: { primary: "small" } } }));
  mkdirSync(join(project.folder, ".config", "promptfleet"), { recursive: true });
  chmodSync(project.write(join(".config", "promptfleet", "env"), "LAB_KEY=sk-test-0123456789\n"), 0o600);

  const run = project.start(["run", project.input, "-o", project.output, "--json"]);
  const shown = (): readonly Progress[] =>
    run
      .stdout()
      .split("\n")
      .slice(0, -1)
      .flatMap((line) => (JSON.parse(line) as { progress?: Progress }).progress ?? []);
  await until("the middle of the run", () => project.backend.stats().answered > count / 3);

  const faults: readonly (readonly [SimulatedFault, RegExp])[] = [
    [{ kind: "status", status: 500 }, /500/],
    [{ kind: "status", status: 401 }, /401.*LAB_KEY|LAB_KEY.*401/],
  ];
  for (const [fault, words] of faults) {
    const answered = project.backend.stats().answered;
    project.backend.setBehaviour({ fault });
    const [seen, startedMs] = [shown().length, Date.now()];
    await pass(outageSeconds * 1_000);
    const progress = await until(
      "the reason",
      () =>
        shown()
          .slice(seen)
          .find(({ tiers }) => tiers.some(({ tier, reason }) => tier === "lab" && words.test(reason ?? ""))),
      60_000,
    );
    expect(progress.failed).toBe(0);
    // What was past the fault when it began may still be answered.
    expect(project.backend.stats().answered - answered).toBeLessThanOrEqual(8);
    const reason = progress.tiers.find(({ tier }) => tier === "lab")?.reason;
    console.info(
      `${Math.round((Date.now() - startedMs) / 1_000)} s of it, ${shown().at(-1)?.answered} answered: ${reason}`,
    );
  }
  project.backend.setBehaviour({ fault: undefined });

  const ended = await run.ended;
  expect(ended, ended.stderr).toMatchObject({ code: 0 });
  expect(summaryOf(ended)).toMatchObject({ rows: count, answered: count, failed: 0 });
  const results = assertEachResultOnce(project.output, count);
  // The very first errors of an outage look like those of a row; no later one may.
  expect(results.filter(({ status, attempts }) => status !== "answered" || attempts > 2)).toEqual([]);
  console.info(`asked ${project.backend.requests()} times for ${count} answers`);
});
