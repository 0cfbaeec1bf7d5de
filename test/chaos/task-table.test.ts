import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadConfig, packagedConfigPath } from "../../src/config/load.ts";
import { type CliProcess, givenProject, type Project, summaryOf } from "../support/cli.ts";
import { givenBackend } from "../support/given-backend.ts";
import { assertEachResultOnce } from "../support/laws.ts";
import type { SimulatedBackend } from "../support/simulated-backend.ts";
import { until } from "../support/until.ts";

/* The table of tasks that is shipped, read from the config itself: a new task is covered as it stands. */
const packaged = await loadConfig({ configPath: packagedConfigPath() });
const tasks = Object.values(packaged.tasks);
const tierOf = (alias: string): string => packaged.models[alias]!.tier;
const routeOf = (task: string): string[] => [packaged.tasks[task]!.primary, ...packaged.tasks[task]!.fallback];
const primaryTiers = [...new Set(tasks.map(({ primary }) => tierOf(primary)))];
const usedTiers = [...new Set(tasks.flatMap(({ name }) => routeOf(name).map(tierOf)))].map(
  (name) => packaged.tiers[name]!,
);
const keyVariables = [...new Set(usedTiers.flatMap(({ apiKeyEnv }) => apiKeyEnv ?? []))];
const localTiers = usedTiers.filter(({ location }) => location === "local").map(({ name }) => name);

const rowsPerTask = 5;
const rows = tasks.flatMap(({ name }) =>
  Array.from({ length: rowsPerTask }, (_, at) => ({ id: `${name}-${at}`, task: name, prompt: `say #${name}-${at}` })),
);
/** Of the rows of every task that is private. */
const privateIds = rows.flatMap(({ id, task }) => (packaged.tasks[task]!.private ? [id] : []));

interface Shipped {
  readonly project: Project;
  readonly backends: ReadonlyMap<string, SimulatedBackend>;
}

/** The packaged config with a SIMULATED server at each address that it names and a key for each that wants one. */
async function givenShippedConfig(): Promise<Shipped> {
  const project = await givenProject();
  const backends = new Map<string, SimulatedBackend>();
  for (const { name } of usedTiers) backends.set(name, await givenBackend());
  const tiers = Object.fromEntries(
    usedTiers.map(({ name, provider, baseUrls }) => {
      const url = backends.get(name)!.baseUrl;
      const atRoot = provider === "anthropic" || !(baseUrls[0] ?? "/v1").endsWith("/v1");
      return [name, { baseUrl: atRoot ? url.replace("/v1", "") : url, fallbackAfterMs: 500 }];
    }),
  );
  project.write("models.json", JSON.stringify({ extends: "default", tiers }));
  mkdirSync(join(project.folder, ".config", "promptfleet"), { recursive: true });
  const keyFile = project.write(
    join(".config", "promptfleet", "env"),
    keyVariables.map((name) => `${name}=sk-test-0123456789\n`).join(""),
  );
  chmodSync(keyFile, 0o600);
  project.write("in.jsonl", rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return { project, backends };
}

const start = ({ project }: Shipped): CliProcess =>
  project.start(["run", project.input, "-o", project.output, "--json"]);

/** What the last line of progress says of a tier. */
function waitOf(run: CliProcess, tier: string): string | undefined {
  const line = run.stdout().trimEnd().split("\n").at(-1) ?? "";
  if (!line.startsWith('{"progress"')) return undefined;
  const { progress } = JSON.parse(line) as {
    progress: { answered: number; tiers: { tier: string; reason?: string }[] };
  };
  return progress.tiers.find((one) => one.tier === tier)?.reason;
}

function answeredSoFar(run: CliProcess): number {
  const counts = [...run.stdout().matchAll(/"progress":\{"answered":(\d+)/g)];
  return Number(counts.at(-1)?.[1] ?? 0);
}

/** Law 4, whatever happened: of the private rows no cloud tier saw one. */
function assertNothingPrivateLeft(backends: Shipped["backends"]): void {
  expect(privateIds.length).toBeGreaterThan(0);
  for (const [tier, { countsByKey }] of backends) {
    if (localTiers.includes(tier)) continue;
    expect(
      privateIds.filter((id) => countsByKey.has(id)),
      `private rows at ${tier}`,
    ).toEqual([]);
  }
}

describe.concurrent("the packaged table of tasks", { timeout: 90_000 }, () => {
  it("has every task answered by its primary model", async () => {
    const shipped = await givenShippedConfig();
    const ended = await start(shipped).ended;
    expect(ended, ended.stderr).toMatchObject({ code: 0 });
    const results = assertEachResultOnce(shipped.project.output, rows.length);
    const byModel = results.map(({ task, status, model, tier }) => [task, status, model, tier]);
    const expected = rows.map(({ task }) => packaged.tasks[task]!.primary);
    expect(byModel).toEqual(rows.map(({ task }, at) => [task, "answered", expected[at], tierOf(expected[at]!)]));
    assertNothingPrivateLeft(shipped.backends);
  });

  it.each(primaryTiers)(
    "has tasks answered by their fallback while %s is down; the others wait for it",
    async (down) => {
      const shipped = await givenShippedConfig();
      const { port, close } = shipped.backends.get(down)!;
      await close();
      const expectedOf = (task: string) => routeOf(task).find((alias) => tierOf(alias) !== down);
      const waiting = rows.filter(({ task }) => expectedOf(task) === undefined);
      const run = start(shipped);
      if (waiting.length > 0) {
        await until("all others", () => answeredSoFar(run) === rows.length - waiting.length, 40_000);
        expect(waitOf(run, down)).toMatch(/ECONNREFUSED|refused/);
      }
      const up = waiting.length > 0 ? await givenBackend({ port }) : undefined;
      const ended = await run.ended;
      expect(ended, ended.stderr).toMatchObject({ code: 0 });
      expect(summaryOf(ended)).toMatchObject({ rows: rows.length, answered: rows.length, failed: 0 });
      const results = assertEachResultOnce(shipped.project.output, rows.length);
      expect(results.map(({ task, model }) => [task, model])).toEqual(
        rows.map(({ task }) => [task, expectedOf(task) ?? packaged.tasks[task]!.primary]),
      );
      if (up !== undefined) expect([...up.countsByKey.keys()].sort()).toEqual(waiting.map(({ id }) => id).sort());
      assertNothingPrivateLeft(shipped.backends);
    },
  );

  it("has private rows wait for a local tier when all are down, whatever cloud would take them", async () => {
    const shipped = await givenShippedConfig();
    const ports = new Map<string, number>();
    for (const tier of localTiers) {
      const { port, close } = shipped.backends.get(tier)!;
      ports.set(tier, port);
      await close();
    }
    const isCloud = (task: string) => routeOf(task).some((alias) => !localTiers.includes(tierOf(alias)));
    const waiting = rows.filter(({ task }) => packaged.tasks[task]!.private || !isCloud(task));
    const run = start(shipped);
    await until("what clouds may answer", () => answeredSoFar(run) === rows.length - waiting.length, 40_000);
    const home = tierOf(packaged.tasks[waiting[0]!.task]!.primary);
    await until("the reason", () => waitOf(run, home));
    assertNothingPrivateLeft(shipped.backends);
    for (const port of ports.values()) await givenBackend({ port });
    const ended = await run.ended;
    expect(ended, ended.stderr).toMatchObject({ code: 0 });
    for (const { id, status, tier } of assertEachResultOnce(shipped.project.output, rows.length)) {
      expect(status).toBe("answered");
      if (privateIds.includes(id)) expect(localTiers).toContain(tier);
    }
    assertNothingPrivateLeft(shipped.backends);
  });
});
