import { mkdirSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Ended, givenProject, type Project } from "../support/cli.ts";
import { givenBackend, givenDeadBackend } from "../support/given-backend.ts";
import { withRedis } from "../support/redis-server.ts";

const server = withRedis();

interface Report {
  readonly ok: boolean;
  readonly problems: readonly { readonly text: string; readonly mend?: string }[];
  readonly notes: readonly { readonly text: string; readonly mend?: string }[];
  readonly tiers: readonly {
    readonly tier: string;
    readonly state: string;
    readonly models: readonly string[];
    readonly key?: { readonly shown: string; readonly place: string };
    readonly timedCall?: { readonly answered: boolean; readonly latencyMs?: number };
  }[];
  readonly redis: { readonly kind: string; readonly queues: Record<string, unknown>; readonly facts?: object };
}

async function examined(
  project: Project,
  ...args: string[]
): Promise<{ readonly ended: Ended; readonly report: Report }> {
  const ended = await project.start(["doctor", "--json", ...args]).ended;
  expect(ended.stderr).toBe("");
  return { ended, report: JSON.parse(ended.stdout) as Report };
}

const tierOf = (report: Report, name: string) => report.tiers.find(({ tier }) => tier === name);
const secret = "sk-test-0123456789-last";

/** In the home folder of the program under test. */
function writeKeyFile(project: Project, text: string, mode: number): void {
  mkdirSync(project.path(".config/promptfleet"), { recursive: true });
  writeFileSync(project.path(".config/promptfleet/env"), text, { mode });
}

describe.concurrent("doctor", () => {
  it("finds no problem where the server is there and has the model, and asks nothing of it", async () => {
    const project = await givenProject();
    const { ended, report } = await examined(project);
    expect(report.problems).toEqual([]);
    expect([ended.code, report.ok]).toEqual([0, true]);
    expect(tierOf(report, "lab")).toMatchObject({ state: "ready", models: ["simulated-model"] });
    expect(report.redis.kind).toBe("embedded-not-running");
    expect(project.backend.requests()).toBe(0);
  });

  it("names a data directory that nothing can be written to, as the run that would use it does", async () => {
    const project = await givenProject();
    const ended = await project.start(
      ["doctor", "--json", "--config", project.path("models.json"), "--data-dir", `${project.input}/data`],
      { bare: true },
    ).ended;
    const { problems } = JSON.parse(ended.stdout) as Report;
    expect(ended.code).toBe(2);
    expect(problems.map(({ text }) => text)).toEqual([
      expect.stringMatching(/^cannot use the data directory .*data \(/),
    ]);
  });

  it("times a call of one token with --probe only", async () => {
    const project = await givenProject();
    const { report } = await examined(project, "--probe");
    expect(tierOf(report, "lab")?.timedCall).toMatchObject({ answered: true, latencyMs: expect.any(Number) });
    expect(project.backend.requests()).toBe(2);
  });

  it("names a server that is down as a problem with its command, one of several too", async () => {
    const [dead, second] = [await givenDeadBackend(), await givenBackend()];
    const project = await givenProject({
      config: {
        tiers: {
          gone: { provider: "vllm", baseUrl: dead.baseUrl },
          pair: { provider: "openai-compatible", baseUrl: [second.baseUrl, dead.baseUrl] },
        },
        models: { missing: { tier: "gone", model: "auto" } },
        tasks: { lost: { primary: "missing" } },
      },
    });
    const { ended, report } = await examined(project);
    expect(ended.code).toBe(2);
    expect([tierOf(report, "gone")?.state, tierOf(report, "pair")?.state]).toEqual(["broken", "ready"]);
    expect(report.problems).toEqual([
      { text: expect.stringMatching(/^tier gone: .*connection refused/), mend: expect.stringContaining("vllm serve") },
      { text: expect.stringMatching(/^tier pair, one of its 2 servers: .*connection refused/) },
      { text: expect.stringMatching(/^1 of 2 tasks have no model .*: lost$/), mend: expect.stringContaining("--why") },
    ]);
  });

  it("takes what nobody has set up for no problem while every task has another model", async () => {
    const project = await givenProject({
      config: {
        tiers: { claude: { provider: "anthropic" } },
        models: { haiku: { tier: "claude", model: "claude-haiku-5-5" } },
        tasks: { other: { primary: "haiku", fallback: ["small"] } },
      },
    });
    const { ended, report } = await examined(project);
    expect([ended.code, report.problems]).toEqual([0, []]);
    expect(tierOf(report, "claude")).toMatchObject({ state: "not-set-up", reason: "ANTHROPIC_API_KEY is not set" });
  });

  it("shows of a key where it is from and its last four characters only", async () => {
    const cloud = await givenBackend();
    const tiers = { lab2: { provider: "openai-compatible", baseUrl: cloud.baseUrl, apiKeyEnv: "LAB_KEY" } } as const;
    const project = await givenProject({ config: { tiers } });
    writeKeyFile(project, `LAB_KEY=${secret}\n`, 0o600);
    const { ended, report } = await examined(project);
    const place = project.path(".config/promptfleet/env");
    expect(tierOf(report, "lab2")).toMatchObject({ state: "ready", key: { shown: "sk-…last", place } });
    expect(ended.stdout).not.toContain(secret);
    const told = await project.start(["doctor"]).ended;
    expect(told.stdout).toContain("key sk-…last from");
    expect(told.stdout).not.toContain(secret);
  });

  it("reports a key file that others can read with the chmod that mends it, and looks at the rest", async () => {
    const project = await givenProject({ config: { tiers: { cloud: { provider: "openai" } } } });
    writeKeyFile(project, `OPENAI_API_KEY=${secret}\n`, 0o644);
    const { ended, report } = await examined(project);
    expect(ended.code).toBe(2);
    expect(report.problems).toEqual([{ text: expect.stringMatching(/must be readable by its owner only.*chmod 600/) }]);
    expect(tierOf(report, "lab")?.state).toBe("ready");
    expect(ended.stdout).not.toContain(secret);
  });

  it("looks at a shared Redis: its facts, how many rows wait for each tier, and what is wrong with it", async () => {
    const project = await givenProject({ rows: 3 });
    const redis = await server.listenOnPort();
    const fleet = server.newFleetName();
    const { report } = await examined(project, "--redis", redis, "--fleet", fleet);
    expect(report.redis).toMatchObject({
      kind: "given",
      facts: { evictionPolicy: "noeviction" },
      queues: { lab: { waiting: 0, active: 0, delayed: 0 } },
    });
    await server.client.config("SET", "maxmemory-policy", "allkeys-lru");
    const evicting = await examined(project, "--redis", redis);
    await server.client.config("SET", "maxmemory-policy", "noeviction");
    expect(evicting.ended.code).toBe(2);
    expect(evicting.report.problems[0]?.text).toMatch(/evicts keys.*CONFIG SET maxmemory-policy noeviction/);
  });

  it("notes a model that a server does not have with the command that brings it", async () => {
    const backend = await givenBackend({ models: ["other"] });
    const project = await givenProject({
      config: {
        tiers: { gpu: { provider: "vllm", baseUrl: backend.baseUrl } },
        models: { wanted: { tier: "gpu", model: "org/wanted" } },
      },
    });
    const { ended, report } = await examined(project);
    expect(ended.code).toBe(0);
    expect(report.notes).toContainEqual({
      text: "model wanted on tier gpu: its server does not have org/wanted",
      mend: "start it with that model: vllm serve org/wanted",
    });
  });
});

describe.concurrent("models", () => {
  const config = {
    tiers: { claude: { provider: "anthropic" }, gone: { provider: "vllm", baseUrl: "http://127.0.0.1:9/v1" } },
    models: {
      haiku: { tier: "claude", model: "claude-haiku-5-5", price: { inputPerMTok: 0.1, outputPerMTok: 0.5 } },
      any: { tier: "lab", model: "auto" },
      fast: { tier: "gone", model: "auto" },
    },
    tasks: {
      review: { primary: "haiku", fallback: ["fast", "any"], prefer: "cheapest", why: "for a reason" },
      secret: { primary: "haiku", fallback: ["any"], private: true },
    },
  } as const;
  const given = () => givenProject({ config: config as never });

  it("lists the registry with price, place and what stands in the way now", async () => {
    const project = await given();
    const { stdout, code } = await project.start(["models", "--json"]).ended;
    expect(code).toBe(0);
    expect(JSON.parse(stdout).models).toEqual([
      expect.objectContaining({
        alias: "small",
        tier: "lab",
        model: "simulated-model",
        location: "local",
        usable: true,
      }),
      expect.objectContaining({ alias: "haiku", location: "cloud", price: "$0.1/$0.5", usable: false }),
      expect.objectContaining({ alias: "any", model: "auto = simulated-model", price: "free", usable: true }),
      expect.objectContaining({ alias: "fast", usable: false, reason: expect.stringContaining("refused") }),
    ]);
    const table = await project.start(["models"]).ended;
    expect(table.stdout).toMatch(
      /haiku +claude +claude-haiku-5-5 +cloud +\$0\.1\/\$0\.5 +ANTHROPIC_API_KEY is not set/,
    );
  });

  it("explains a task's route in its order, with the reason of each, and what would mend it", async () => {
    const project = await given();
    const { stdout, code } = await project.start(["models", "--why", "review"]).ended;
    expect(code).toBe(0);
    expect(stdout).toMatch(/^review: for a reason · the cheapest first\n/);
    expect(stdout).toMatch(/1\. fast .* · free\n +not usable: .*vllm serve/s);
    expect(stdout).toMatch(/2\. any .* · free\n +usable/);
    expect(stdout).toMatch(
      /3\. haiku .*\$0\.1 in.*\n +not usable: ANTHROPIC_API_KEY is not set; put it into ~\/\.config/,
    );
    expect(stdout).toMatch(/rows go to any now\n$/);
  });

  it("says that a cloud model may not hold a private task's rows", async () => {
    const project = await given();
    const { stdout } = await project.start(["models", "--why", "secret", "--json"]).ended;
    expect(JSON.parse(stdout)).toMatchObject({
      private: true,
      route: [
        { alias: "haiku", usable: false, reason: "private, and tier claude is not local" },
        { alias: "any", usable: true },
      ],
    });
  });

  it("refuses a task that does not exist and names the nearest", async () => {
    const project = await given();
    const { stderr, stdout, code } = await project.start(["models", "--why", "revew"]).ended;
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/unknown task "revew": did you mean "review"\?/);
  });
});
