import { globSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { givenProject, type Project, summaryOf } from "../support/cli.ts";
import { givenBackend } from "../support/given-backend.ts";
import { assertEachResultOnce } from "../support/laws.ts";
import { startSimulatedBackend } from "../support/simulated-backend.ts";
import { until } from "../support/until.ts";

const rowCount = 1_000;
/** Every other row is private, by its own mark or by its task; the cloud comes first wherever it may. */
const rows = Array.from({ length: rowCount }, (_, row) => {
  const prompt = `say something about #r${row}`;
  if (row % 2 === 0) return { id: `r${row}`, prompt };
  return row % 4 === 1 ? { id: `r${row}`, prompt, private: true } : { id: `r${row}`, prompt, task: "secret" };
});
const isPrivate = (key: string): boolean => Number(key.slice(1)) % 2 === 1;

/** A tier in this machine and one that counts as a cloud, both SIMULATED. */
async function givenTwoTiers() {
  const cloud = await givenBackend({ latencyMs: 30 });
  const project = await givenProject({
    backend: { latencyMs: 10 },
    concurrency: 8,
    config: {
      tiers: {
        cloud: { provider: "openai-compatible", baseUrl: cloud.baseUrl, location: "cloud", concurrency: 4 },
      },
      models: { large: { tier: "cloud", model: "simulated-model" } },
      tasks: {
        simple: { primary: "large", fallback: ["small"] },
        secret: { primary: "small", fallback: ["large"], private: true },
      },
    },
  });
  // A row that waits would move on at once, if it could.
  const path = project.path("models.json");
  const config = JSON.parse(readFileSync(path, "utf8"));
  config.tiers.lab.fallbackAfterMs = 0;
  writeFileSync(path, JSON.stringify(config));
  project.write("in.jsonl", `${rows.map((row) => JSON.stringify(row)).join("\n")}\n`);
  return { cloud, project };
}

const verify = (project: Project, ...more: string[]) =>
  project.start(["audit", "verify", "--data-dir", project.dataDirectory, ...more], { bare: true }).ended;

it("private rows wait for their local tier while the others go on, and no prompt of theirs reaches the cloud", async () => {
  const { cloud, project } = await givenTwoTiers();
  const { backend } = project;
  const run = project.start(["run", project.input, "-o", project.output, "--json"]);
  await until("some private rows to be answered", () => backend.stats().answered > 50);
  const answeredBefore = backend.countsByKey.size;
  await backend.close();
  const cloudBefore = cloud.stats().answered;
  await until("the reason to be shown", () => /"tier":"lab"[^}]*"reason":"[^"]*127\.0\.0\.1/.test(run.stdout()));
  await until("the others to be through", () => cloud.stats().answered === rowCount / 2, 20_000);
  expect(cloud.stats().answered).toBeGreaterThan(cloudBefore);
  expect(answeredBefore).toBeLessThan(rowCount / 2);

  const again = await startSimulatedBackend({ port: backend.port });
  const ended = await run.ended;
  await again.close();
  expect(ended).toMatchObject({ code: 0 });
  const results = assertEachResultOnce(project.output, rowCount);
  const wrong = results.filter(
    ({ id, tier, text }) => tier !== (isPrivate(id) ? "lab" : "cloud") || text !== `answer to ${id}`,
  );
  expect(wrong).toEqual([]);
  expect([...cloud.countsByKey.keys()].filter(isPrivate)).toEqual([]);
  expect([...again.countsByKey.keys()].filter(isPrivate).length).toBeGreaterThan(0);

  const leaked = await project.start(
    ["audit", "--private", "--location", "cloud", "--data-dir", project.dataDirectory],
    {
      bare: true,
    },
  ).ended;
  expect(leaked.stdout).toBe("");
  expect(leaked.stderr).toMatch(/no private row left .*: \d{3,} calls of private rows on record, none to a cloud/);

  const head = String(summaryOf(ended).audit_head);
  expect(await verify(project, "--head", head)).toMatchObject({ code: 0, stdout: expect.stringContaining("is whole") });
  const [chain] = globSync(`${project.dataDirectory}/audit/*/*.jsonl`);
  const whole = readFileSync(chain!);
  expect(whole.includes("say something about")).toBe(false);
  const edited = Buffer.from(whole);
  edited[Math.floor(whole.length / 2)]! ^= 1;
  writeFileSync(chain!, edited);
  expect(await verify(project)).toMatchObject({ code: 2, stdout: expect.stringContaining(chain!) });
  writeFileSync(chain!, whole);
  truncateSync(chain!, whole.lastIndexOf("\n", whole.length - 300) + 1);
  expect(await verify(project)).toMatchObject({ code: 2, stdout: expect.stringContaining("its end is cut") });
}, 60_000);
