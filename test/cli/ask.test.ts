import { readFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import type { ResultLine } from "../../src/job/result.ts";
import { afterTests } from "../support/clean-up.ts";
import { type Ended, givenProject, type Project } from "../support/cli.ts";
import { givenBackend, givenDeadBackend } from "../support/given-backend.ts";
import type { SimulatedBackend } from "../support/simulated-backend.ts";
import { until } from "../support/until.ts";

const told = (request: { readonly body: Record<string, unknown> }) =>
  (request.body.messages as { role: string; content: string }[])
    .map(({ role, content }) => `${role}: ${content}`)
    .join("; ");

/** A project with the models `small`, `slow` (a backend of its own) and `cloud` (of a tier that is not local). */
async function givenModels(
  slowBackend: Parameters<typeof givenBackend>[0] = {},
): Promise<Project & { slow: SimulatedBackend }> {
  const slow = await givenBackend({ answer: told, ...slowBackend });
  const project = await givenProject({
    backend: { answer: told },
    config: {
      tiers: {
        attic: { provider: "openai-compatible", baseUrl: slow.baseUrl, location: "local", concurrency: 4 },
        sky: { provider: "openai-compatible", baseUrl: slow.baseUrl, location: "cloud", concurrency: 4 },
      },
      models: {
        slow: { tier: "attic", model: "simulated-model", price: { inputPerMTok: 1_000, outputPerMTok: 1_000 } },
        cloud: { tier: "sky", model: "simulated-model" },
      },
    },
  });
  return { ...project, slow };
}

interface Together {
  readonly answers: readonly ResultLine[];
  readonly cost_usd: number;
  readonly wall_s: number;
}

const togetherOf = ({ stdout }: Ended): Together => JSON.parse(stdout) as Together;

describe.concurrent("ask", () => {
  it("answers by the default task's route, with its figures beside the answer", async () => {
    const project = await givenModels();
    const ended = await project.start(["ask", "What is #1?", "--system", "Be brief."]).ended;
    expect(ended.stdout).toBe("system: Be brief.; user: What is #1?\n");
    expect(ended.stderr).toMatch(/^small · 0\.\d\d s · \d+ in, \d+ out · \$0\.00\n$/);
    expect(ended.code).toBe(0);
  });

  it("shows the answer as it comes", async () => {
    const chunk = (content: string, finish_reason: string | null = null) =>
      `data: ${JSON.stringify({ id: "1", model: "m", choices: [{ index: 0, delta: { content }, finish_reason }] })}\n\n`;
    let held: ServerResponse | undefined;
    const server = createServer((request, response) => {
      if (request.method !== "POST") return void response.end('{"object":"list","data":[{"id":"m","object":"model"}]}');
      response.writeHead(200, { "content-type": "text/event-stream" }).write(chunk("The first words"));
      held = response;
    }).listen(0, "127.0.0.1");
    afterTests(() => void server.close());
    await until("it to listen", () => server.listening);
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
    const project = await givenModels();
    const asking = project.start(["ask", "x", "--base-url", baseUrl, "--model", "m"]);
    await until("the first words to be shown", () => asking.stdout().includes("The first words"));
    held?.end(`${chunk(" and the last", "stop")}data: [DONE]\n\n`);
    expect(await asking.ended).toMatchObject({ code: 0, stdout: "The first words and the last\n" });
  });

  it("takes its prompt from a file, from stdin, or from both one after the other", async () => {
    const project = await givenModels();
    project.write("question.txt", "\ufeffWhat is this?");
    expect((await project.start(["ask", "--file", "question.txt"]).ended).stdout).toBe("user: What is this?\n");
    expect((await project.start(["ask", "-"], { stdin: "Who?" }).ended).stdout).toBe("user: Who?\n");
    const both = await project.start(["ask", "Review this:", "--file", "-"], { stdin: "x = 1" }).ended;
    expect(both.stdout).toBe("user: Review this:\n\nx = 1\n");
  });

  it("holds the answer to a form, and fails with exit code 2 where it does not fit", async () => {
    const project = await givenModels();
    project.backend.setBehaviour({ answer: ({ ask }) => (ask === 1 ? "perhaps" : "yes") });
    const good = await project.start(["ask", "Is it?", "--choices", "yes,no", "--json"]).ended;
    expect(JSON.parse(good.stdout)).toMatchObject({ status: "answered", text: "yes", attempts: 2, model: "small" });
    project.backend.setBehaviour({ answer: () => "perhaps" });
    const bad = await project.start(["ask", "Is it?", "--choices", "yes,no"]).ended;
    expect(bad.stderr).toContain("invalid_answer");
    expect(bad.code).toBe(2);
  });

  it("goes along its route without waiting, and ends after --timeout", async () => {
    const dead = await givenDeadBackend();
    const project = await givenModels({ fault: { kind: "stall" } });
    const config = JSON.parse(readFileSync(project.path("models.json"), "utf8"));
    config.tiers.grave = { provider: "openai-compatible", baseUrl: dead.baseUrl, location: "local" };
    config.models.gone = { tier: "grave", model: "simulated-model" };
    config.tasks.unlucky = { primary: "gone", fallback: ["small"] };
    project.write("models.json", JSON.stringify(config));
    const lucky = await project.start(["ask", "What?", "--task", "unlucky"]).ended;
    expect([lucky.stdout, lucky.code]).toEqual(["user: What?\n", 0]);
    const late = await project.start(["ask", "What?", "--model", "slow", "--timeout", "300ms"]).ended;
    expect(late.stderr).toMatch(/^slow · failed after 0\.30 s: deadline_passed\nno answer within 0\.3 s\n$/);
    expect(late.code).toBe(2);
    await until("the call to be gone", () => project.slow.inFlight === 0);
  });

  it("shows each of several models as it answers, and a slow one holds up none; Ctrl-C aborts what is left", async () => {
    const project = await givenModels({ fault: { kind: "stall" } });
    const asking = project.start(["ask", "What is #1?", "--models", "slow,small"]);
    await until("the quick one's answer", () => asking.stdout().includes("user: What is #1?"));
    await until("the slow one to be asked", () => project.slow.inFlight === 1);
    asking.signal("SIGINT");
    const ended = await asking.ended;
    expect(ended.stdout).toMatch(/^── small · 0\.\d\d s · .*\nuser: What is #1\?\n/);
    expect(ended.stdout).toMatch(/── slow · failed after .*: cancelled\n/);
    expect(ended.code).toBe(130);
    await until("the slow call to be gone", () => project.slow.inFlight === 0);
    expect(project.slow.requests()).toBe(1);
  });

  it("says of each model how long it took, its tokens and its cost, and fails with 2 where one did", async () => {
    const project = await givenModels();
    project.backend.setBehaviour({ fault: { kind: "status", status: 400 } });
    const ended = await project.start(["ask", "What?", "--models", "small,slow", "--json"]).ended;
    const { answers, cost_usd, wall_s } = togetherOf(ended);
    expect(answers[0]).toMatchObject({ model: "small", status: "failed", error: { code: "rejected" } });
    expect(answers[1]).toMatchObject({ model: "slow", status: "answered", text: "user: What?" });
    const { usage, latency_ms } = answers[1]!;
    expect(cost_usd).toBeCloseTo((usage.input_tokens + usage.output_tokens) / 1_000);
    expect(latency_ms).toBeLessThanOrEqual(wall_s * 1_000);
    expect(ended.code).toBe(2);
  });

  it("gives models prompts of their own", async () => {
    const project = await givenModels();
    const own = ["--as", "slow=Answer = briefly?", "--json"];
    const some = togetherOf(await project.start(["ask", "What?", "--models", "small,slow", ...own]).ended);
    expect(some.answers.map(({ text }) => text)).toEqual(["user: What?", "user: Answer = briefly?"]);
    const all = togetherOf(await project.start(["ask", "--as", "small=Who?", ...own]).ended);
    expect(all.answers.map(({ model, text }) => [model, text])).toEqual([
      ["small", "user: Who?"],
      ["slow", "user: Answer = briefly?"],
    ]);
  });

  it("sends a private question to local models only", async () => {
    const project = await givenModels();
    const ended = await project.start(["ask", "What?", "--models", "small,cloud", "--private", "--json"]).ended;
    const { answers } = togetherOf(ended);
    expect(answers.map(({ status, error }) => [status, error?.code])).toEqual([
      ["answered", undefined],
      ["failed", "policy_refused"],
    ]);
    expect(project.slow.requests()).toBe(0);
    expect(ended.code).toBe(2);
  });

  it("gives up on a model that is down after seconds, and on one that is silent after --timeout", async () => {
    const dead = await givenDeadBackend();
    const project = await givenModels({ fault: { kind: "stall" } });
    const config = JSON.parse(readFileSync(project.path("models.json"), "utf8"));
    config.tiers.grave = { provider: "openai-compatible", baseUrl: dead.baseUrl, location: "local" };
    config.models.gone = { tier: "grave", model: "simulated-model" };
    project.write("models.json", JSON.stringify(config));
    const ended = await project.start(["ask", "What?", "--models", "small,gone,slow", "--timeout", "9s"]).ended;
    expect(ended.stderr).toMatch(/^gone waits: .*ECONNREFUSED/);
    expect(ended.stdout).toMatch(
      /── small · 0[\s\S]*── gone · failed after [5-8].*: attempts_exhausted\n.*ECONNREFUSED/,
    );
    expect(ended.stdout).toMatch(/── slow · failed after 9.*: deadline_passed\nno answer within 9 s\n/);
    expect(ended.code).toBe(2);
    await until("the silent call to be gone", () => project.slow.inFlight === 0);
  });

  it.each([
    [[], /expected a prompt: promptfleet ask "…", --file PATH, or - for stdin/],
    [["  "], /expected a prompt, found an empty text/],
    [["-"], /expected a prompt, found an empty text/],
    [["-", "--file", "-"], /expected stdin once/],
    [["x", "--file", "nope.txt"], /cannot read nope\.txt: it is not there/],
    [["x", "--task", "simpel"], /--task: unknown task "simpel": did you mean "simple"/],
    [["x", "--model", "smal"], /--model .*"smal": did you mean "small"/],
    [["x", "--models", "small,slwo"], /--models .*"slwo": did you mean "slow"/],
    [["x", "--models", "small,small"], /--models: expected different models; found small twice; leave one out/],
    [["x", "--models", "small,lab/simulated-model"], /small and lab\/simulated-model, which are the same model/],
    [["x", "--models", ","], /--models: expected names of models by commas, found none/],
    [["x", "--models", "small", "--model", "slow"], /expected --model or --models, found both/],
    [["x", "--models", "small", "--as", "slow=y"], /--as slow=…: slow is not among --models/],
    [["x", "--as", "small"], /--as: expected MODEL=PROMPT, found no =/],
    [["x", "--as", "small= "], /--as small=: expected a prompt, found an empty text/],
    [["--models", "small,slow", "--as", "slow=y"], /expected a prompt for small: --as small=…, or one for all/],
    [["x", "--model", "cloud", "--private"], /no model of its route may hold a private row/],
  ])("refuses %j with one message and asks nobody", async (args, message) => {
    const project = await givenModels();
    const ended = await project.start(["ask", ...args]).ended;
    expect(ended.stderr).toMatch(message);
    expect(ended.stderr.trim().split("\n").length).toBe(1);
    expect(ended.stdout).toBe("");
    expect(ended.code).toBe(1);
    expect(project.backend.requests() + project.slow.requests()).toBe(0);
  });
});
