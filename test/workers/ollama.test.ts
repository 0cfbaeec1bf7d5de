import { afterEach, beforeEach, expect, it } from "vitest";
import type { Endpoint } from "../../workers/adapter.ts";
import { callWith, connectTo, dialects, prompt } from "../conformance/dialects.ts";
import { replyJson, type ScriptedServer, startScriptedServer } from "../support/scripted-server.ts";

const { answer } = dialects.ollama!;
let server: ScriptedServer;
let endpoint: Endpoint;
beforeEach(async () => {
  server = await startScriptedServer();
  endpoint = connectTo("ollama", server);
});
afterEach(async () => {
  await endpoint.close();
  await server.close();
});

function play(shown: object, chat: string = answer("ok", { input: 5, output: 1 })): void {
  server.play((request, response) =>
    replyJson(200, request.path === "/api/show" ? JSON.stringify(shown) : chat)(request, response),
  );
}
const chats = () => server.received.filter(({ path }) => path === "/api/chat").map(({ body }) => JSON.parse(body));

it.each([
  ["the config's", 4_000, { parameters: "num_ctx 1024", model_info: { "llama.context_length": 131_072 } }, 4_000],
  [
    "the Modelfile's",
    undefined,
    { parameters: "num_ctx      1024", model_info: { "llama.context_length": 131_072 } },
    1_024,
  ],
  ["a default", undefined, { model_info: { "llama.context_length": 131_072 } }, 8_192],
  ["no more than the model has", 100_000, { model_info: { "llama.context_length": 4_096 } }, 4_096],
])("asks for one context size with every call: %s", async (_whose, contextTokens, shown, expected) => {
  play(shown);
  const change = contextTokens === undefined ? {} : { contextTokens };
  for (let count = 0; count < 3; count++) await endpoint.call(callWith(change));
  expect(chats().map(({ options }) => options.num_ctx)).toEqual([expected, expected, expected]);
  expect(server.received.filter(({ path }) => path === "/api/show")).toHaveLength(1);
});

it("forbids the server to cut, and finds out when an older one did", async () => {
  play({ parameters: "num_ctx 1024" }, answer("cut", { input: 1_024, output: 1 }));
  expect(await endpoint.call(callWith())).toMatchObject({ kind: "context-overflow" });
  expect(chats()[0]).toMatchObject({ truncate: false, shift: false, stream: false });
  play({ parameters: "num_ctx 1024" }, answer("whole messages left out", { input: 30, output: 1 }));
  const long = { messages: [{ role: "user" as const, content: "word ".repeat(2_000) }] };
  expect(await endpoint.call(callWith({ request: long }))).toMatchObject({ kind: "context-overflow" });
});

it.each([
  ["some-model", { remote_host: "https://ollama.com:443", remote_model: "gpt-oss:120b" }],
  ["gpt-oss:120b-cloud", {}],
])("hands no private row to %s, which runs elsewhere", async (model, shown) => {
  play(shown);
  expect(await endpoint.call(callWith({ model, private: true }))).toMatchObject({ kind: "refused-by-policy" });
  expect(chats()).toHaveLength(0);
  expect(await endpoint.call(callWith({ model }))).toMatchObject({ kind: "answered" });
});

it("sends images as they are in the row, and never reads a file for one", async () => {
  play({});
  const withImage = (url: string) => ({
    messages: [
      {
        role: "user" as const,
        content: [
          { type: "text", text: prompt },
          { type: "image_url", image_url: { url } },
        ],
      },
    ],
  });
  await endpoint.call(callWith({ request: withImage("data:image/png;base64,aGVsbG8=") }));
  expect(chats()[0].messages).toEqual([{ role: "user", content: prompt, images: ["aGVsbG8="] }]);
  for (const url of ["/etc/hostname", "https://example.com/cat.png"]) {
    expect(await endpoint.call(callWith({ request: withImage(url) }))).toMatchObject({ kind: "rejected" });
  }
  expect(chats()).toHaveLength(1);
});

it("does not show an image to a model that is known to see none", async () => {
  play({ capabilities: ["completion"] });
  const content = [{ type: "image_url", image_url: { url: "data:image/png;base64,aGVsbG8=" } }];
  expect(await endpoint.call(callWith({ request: { messages: [{ role: "user", content }] } }))).toMatchObject({
    kind: "rejected",
    message: expect.stringContaining("sees no images"),
  });
  expect(chats()).toHaveLength(0);
});

it("says which options of an OpenAI line it left out", async () => {
  play({});
  const openaiBody = {
    model: "m",
    messages: [{ role: "developer", content: "Hi" }],
    max_completion_tokens: 9,
    tools: [],
    n: 2,
  };
  const outcome = await endpoint.call(callWith({ request: { messages: [], openaiBody } }));
  expect(outcome).toMatchObject({ answer: { omittedOptions: ["tools", "n"] } });
  expect(chats()[0]).toMatchObject({ messages: [{ role: "system", content: "Hi" }], options: { num_predict: 9 } });
});

it("blames the model, not the row, for a model that does not fit into memory", async () => {
  server.play(replyJson(500, '{"error":"model requires more system memory (9.1 GiB) than is available (2.0 GiB)"}'));
  expect(await endpoint.call(callWith())).toMatchObject({ kind: "unavailable", scope: "model" });
});

it("finds the server behind a base URL that ends in /v1", async () => {
  const other = connectTo("ollama", server, { baseUrl: `${server.origin}/v1/` });
  play({});
  expect(await other.call(callWith())).toMatchObject({ kind: "answered" });
  await other.close();
});

it("has the server fetch a model: tells each step, and why it could not", async () => {
  const steps: string[] = [];
  const pull = () => endpoint.pull!("tiny", (progress) => steps.push(progress), new AbortController().signal);
  const step = (line: object) => `${JSON.stringify(line)}\n`;
  server.play((_request, response) => {
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    const [first, second] = [step({ status: "pulling manifest" }), step({ status: "x", total: 4e8, completed: 1e8 })];
    // A line may come in two pieces.
    response.write(first + second.slice(0, 9));
    setImmediate(() => response.end(second.slice(9) + step({ status: "success" }).trimEnd()));
  });
  expect(await pull()).toBeUndefined();
  expect(steps).toEqual(["pulling manifest", "25 % of 0.4 GB"]);
  server.play(replyJson(200, step({ error: "pull model manifest: file does not exist" })));
  expect(await pull()).toBe("pull model manifest: file does not exist");
  server.play(replyJson(500, step({ error: "no space left on device" })));
  expect(await pull()).toBe("no space left on device");
  server.play(replyJson(200, step({ status: "pulling manifest" })));
  expect(await pull()).toContain("did not say that it has it now");
});
