import { afterAll, beforeAll, expect, it } from "vitest";
import { identifyServer } from "../../workers/server-identity.ts";
import { type ScriptedServer, startScriptedServer } from "../support/scripted-server.ts";

let server: ScriptedServer;
beforeAll(async () => {
  server = await startScriptedServer();
});
afterAll(() => server.close());

const models = JSON.stringify({ object: "list", data: [{ id: "m" }] });

/** A server that answers these paths, and 404 for all others. */
function identify(answers: Readonly<Record<string, string>>, headers: Record<string, string> = {}) {
  server.play(({ path }, response) => {
    const body = answers[path];
    response.writeHead(body === undefined ? 404 : 200, { "content-type": "application/json", ...headers });
    response.end(body ?? '{"error":"not found"}');
  });
  return identifyServer({
    tier: "found",
    baseUrl: `${server.origin}/v1`,
    location: "local",
    trustedHosts: [],
    concurrency: 1,
  });
}

it.each<[string, Record<string, string>, Record<string, string>, object | undefined]>([
  // As the server of xllamacpp answered here on 2026-11-25.
  [
    "llama.cpp",
    { "/v1/models": models, "/props": '{"build_info":"b0-unknown"}', "/health": '{"status":"ok"}' },
    { server: "llama.cpp" },
    { kind: "llama.cpp" },
  ],
  ["a llama.cpp without /props", { "/v1/models": models }, { server: "llama.cpp" }, { kind: "llama.cpp" }],
  [
    "Ollama",
    { "/v1/models": models, "/api/version": '{"version":"0.12.3"}' },
    {},
    { kind: "ollama", version: "0.12.3" },
  ],
  ["vLLM", { "/v1/models": models, "/version": '{"version":"0.11.0"}' }, {}, { kind: "vllm", version: "0.11.0" }],
  [
    "LocalAI, from its documented answers",
    { "/v1/models": models, "/readyz": "OK", "/version": '{"version":"v3.5.0 (abc)"}' },
    {},
    { kind: "localai", version: "v3.5.0 (abc)" },
  ],
  ["whatever else lists models", { "/v1/models": models }, {}, { kind: "openai-compatible" }],
  ["nothing that speaks of models", { "/version": '{"version":"1.0"}', "/": "hello" }, {}, undefined],
])("tells %s by what only it answers", async (_title, answers, headers, identity) => {
  expect(await identify(answers, headers)).toEqual(identity);
});
