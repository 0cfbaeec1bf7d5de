import { join } from "node:path";
import { Redis } from "ioredis";
import { describe, expect, it } from "vitest";
import type { ConfigFile } from "../../src/config/schema.ts";
import { afterTests } from "../support/clean-up.ts";
import { givenBackend, givenDeadBackend } from "../support/given-backend.ts";
import { givenServeProcess, type ServeProcess } from "../support/serve.ts";
import { until } from "../support/until.ts";

type Tier = NonNullable<ConfigFile["tiers"]>[string];

/** What the command `promptfleet status` says, as if on a line without end. */
async function statusOf({ project, url }: ServeProcess, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await project.start(["status", "--url", url, ...words], { bare: true }).ended;
  expect(code, stderr).toBe(0);
  return stdout.replaceAll(/\s+/g, " ");
}

/** Asks until it says all of these at once. */
async function untilStatusSays(server: ServeProcess, ...says: readonly RegExp[]): Promise<void> {
  let said = "";
  const missing = () => says.filter((one) => !one.test(said));
  await until(
    "status to say it",
    async () => {
      said = await statusOf(server);
      return missing().length === 0;
    },
    40_000,
  ).catch(() => {
    throw new Error(`status does not say ${missing().join(", ")} but: ${said}`);
  });
}

/** A batch of ten rows for each of these models. @returns its id. */
async function submit({ project, url }: ServeProcess, ...models: readonly string[]): Promise<string> {
  const lines = models.flatMap((model) =>
    Array.from({ length: 10 }, (_, row) =>
      JSON.stringify({ ...(model === "" ? {} : { model }), prompt: `about #r${row}` }),
    ),
  );
  const input = project.write(`${models.join("-")}.jsonl`, `${lines.join("\n")}\n`);
  const { code, stdout, stderr } = await project.start(["submit", input, "--url", url], { bare: true }).ended;
  expect(code, stderr).toBe(0);
  return stdout.trim();
}

const tier = (baseUrl: string, more: Partial<Tier> = {}): Tier => ({
  ...{ provider: "openai-compatible", baseUrl, location: "local", concurrency: 4 },
  ...more,
});

async function embeddedRedis({ project }: ServeProcess): Promise<Redis> {
  const redis = new Redis(join(project.dataDirectory, "redis", "redis.sock"));
  afterTests(() => redis.disconnect());
  return redis;
}

describe.concurrent("the command status says why rows wait:", () => {
  it("of each tier, of a batch that is paused, and of one whose rows nobody works", async () => {
    const says = (status: number, message: string, headers = {}) =>
      givenBackend({ fault: { kind: "status", status, headers, body: JSON.stringify({ error: { message } }) } });
    const gone = await givenDeadBackend();
    const fine = await givenBackend();
    const later = await says(429, "come back later", { "retry-after": "7200" });
    const strange = await says(401, "who are you");
    const price = { inputPerMTok: 1, outputPerMTok: 2 };
    const server = await givenServeProcess({
      config: {
        tiers: {
          gone: tier(gone.baseUrl),
          paced: tier(fine.baseUrl, { limits: { rpm: 6 } }),
          later: tier(later.baseUrl),
          strange: tier(strange.baseUrl),
          poor: tier(fine.baseUrl, { dailyBudgetUsd: 0.00001 }),
          held: tier(fine.baseUrl),
        },
        models: Object.fromEntries(
          ["gone", "paced", "later", "strange", "poor", "held"].map((name) => [
            `on-${name}`,
            { tier: name, model: "simulated-model", maxOutputTokens: 40, price },
          ]),
        ),
        tasks: { simple: { primary: "on-gone", fallback: ["on-held"] } },
      },
    });
    await server.project.start(["pause", "tier:held", "--url", server.url], { bare: true }).ended;
    const mixed = await submit(server, "", "on-paced", "on-later", "on-strange", "on-poor", "on-held");
    const paused = await submit(server, "on-later");
    await server.project.start(["pause", paused, "--url", server.url], { bare: true }).ended;
    await untilStatusSays(
      server,
      /gone 0 of 0 running 10 waiting .*ECONNREFUSED\), since \d{4}-\d\d-\d\d \d\d:\d\d UTC; rows that have another model go there by \d\d:\d\d UTC/,
      /paced \d of 4 running \d+ waiting paced: its limit of requests a minute is in use/,
      /later .* come back later \(until \d{4}-\d\d-\d\d \d\d:\d\d UTC\)/,
      /strange 0 of 0 running 10 waiting .*401/,
      /poor .* a call may cost more than its whole budget of a day/,
      /held .* its queue is paused/,
      new RegExp(`${paused} in_progress, paused`),
      // The batch says itself for which tiers its rows wait.
      new RegExp(`${mixed} in_progress .*gone: [^·]*ECONNREFUSED[^·]* · .*strange: [^·]*401`),
    );
  }, 90_000);

  it("that no process works a tier, where the server leaves that to others", async () => {
    const server = await givenServeProcess({}, "--no-pools");
    await submit(server, "small");
    await untilStatusSays(server, /lab 0 of 0 running 10 waiting no process of the fleet works this tier: start one/);
  }, 60_000);

  it("that Redis is full, or does not answer", async () => {
    const server = await givenServeProcess({ backend: { latencyMs: 20 } });
    const redis = await embeddedRedis(server);
    // So much that what the server needs beside is little.
    await redis.setrange("filler", 40 * 1024 ** 2, "x");
    const used = Number(/used_memory:(\d+)/.exec(await redis.info("memory"))?.[1]);
    await redis.config("SET", "maxmemory", String(Math.round(used / 0.85)));
    await until(
      "the server to see it",
      async () => {
        await submit(server, "small");
        return /waits: Redis is at 8\d % of its maxmemory/.test(await statusOf(server));
      },
      40_000,
    );
    const { waits, tiers } = JSON.parse(await statusOf(server, "--json"));
    expect(waits).toMatch(/nothing more is fed until it is below 80 %/);
    expect(tiers.map(({ tier: name }: { tier: string }) => name)).toContain("lab");
    await redis.config("SET", "maxmemory", "1mb");
    const refused = await submit(server, "small");
    await untilStatusSays(
      server,
      new RegExp(`${refused} in_progress .* OOM command not allowed .* it is taken up again every 10 s`),
    );
    await redis.config("SET", "maxmemory", "0");
    const pid = (await server.project.redisPid())!;
    afterTests(() => void process.kill(pid, "SIGCONT"));
    process.kill(pid, "SIGSTOP");
    await untilStatusSays(server, /waits: Redis does not answer/);
    process.kill(pid, "SIGCONT");
    await until("it to be over", async () => !(await statusOf(server)).includes("waits:"), 30_000);
  }, 90_000);
});
