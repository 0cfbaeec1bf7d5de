import { expect, it } from "vitest";
import { dialects } from "../conformance/dialects.ts";
import { afterTests } from "../support/clean-up.ts";
import { givenProject } from "../support/cli.ts";
import { readResults } from "../support/laws.ts";
import { replyJson, startScriptedServer } from "../support/scripted-server.ts";
import { until } from "../support/until.ts";

const { answer, error } = dialects.ollama!;
const lines = (...steps: object[]) => steps.map((step) => `${JSON.stringify(step)}\n`).join("");

/** A SIMULATED Ollama without any model, which it fetches when it is told to, and holds back the end until `arrive`. */
async function givenEmptyOllama() {
  const server = await startScriptedServer();
  afterTests(() => server.close());
  let isThere = false;
  let arrive = (): void => {};
  server.play((request, response) => {
    if (request.path === "/api/pull") {
      response.writeHead(200, { "content-type": "application/x-ndjson" });
      response.write(lines({ status: "pulling manifest" }, { status: "pulling", total: 2e9, completed: 0.86e9 }));
      arrive = () => {
        isThere = true;
        response.end(lines({ status: "success" }));
      };
    } else if (!isThere) replyJson(404, error("model 'tiny:1b' not found"))(request, response);
    else replyJson(200, request.path === "/api/show" ? '{"model_info":{}}' : answer("here"))(request, response);
  });
  const project = await givenProject({
    config: {
      tiers: { box: { provider: "ollama", baseUrl: server.origin, location: "local" } },
      models: { tiny: { tier: "box", model: "tiny:1b" } },
    },
    rows: 3,
  });
  const asked = (path: string) => server.received.filter((request) => request.path === path);
  return { project, asked, arrive: () => arrive() };
}

it("run --pull has a missing model fetched once, shows how far it is, and asks the rows then", async () => {
  const { project, asked, arrive } = await givenEmptyOllama();
  const run = project.start(["run", project.input, "-o", project.output, "--force-model", "tiny", "--pull"]);
  await until("the display to say how far it is", () => run.stderr().includes("pulling tiny:1b: 43 % of 2.0 GB"));
  arrive();
  expect((await run.ended).code).toBe(0);
  expect(asked("/api/pull").map(({ body }) => JSON.parse(body))).toEqual([{ model: "tiny:1b", stream: true }]);
  expect(readResults(project.output).map(({ text, attempts }) => [text, attempts])).toEqual(Array(3).fill(["here", 1]));
});

it("without --pull a missing model is waited for, and what brings it is said", async () => {
  const { project, asked } = await givenEmptyOllama();
  const run = project.start(["run", project.input, "-o", project.output, "--force-model", "tiny"]);
  await until("the display to say what to do", () => run.stderr().includes("ollama pull tiny:1b"));
  expect(asked("/api/pull")).toEqual([]);
  run.signal("SIGINT");
  expect((await run.ended).code).toBe(130);
});
