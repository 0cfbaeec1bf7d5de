import { getEventListeners } from "node:events";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Outcome } from "../../src/job/outcome.ts";
import type { Endpoint } from "../../workers/adapter.ts";
import { adapters } from "../../workers/index.ts";
import { reply, replyJson, type ScriptedServer, startScriptedServer } from "../support/scripted-server.ts";
import { apiKey, callWith, connectTo, type Dialect, dialects, forChat, prompt } from "./dialects.ts";

it("covers every adapter that speaks HTTP", () => {
  const speakingHttp = Object.values(adapters).filter(({ needsBaseUrl }) => needsBaseUrl);
  expect(Object.keys(dialects).sort()).toEqual(speakingHttp.map(({ provider }) => provider).sort());
  for (const [name, { provider }] of Object.entries(adapters)) expect(provider).toBe(name);
});

describe.each(Object.entries(dialects) as [keyof typeof adapters, Dialect][])(
  "the adapter for %s",
  (provider, dialect) => {
    let server: ScriptedServer;
    let endpoint: Endpoint;
    beforeAll(async () => {
      server = await startScriptedServer();
      endpoint = connectTo(provider, server);
    });
    afterAll(async () => {
      await endpoint.close();
      await server.close();
    });
    const chatRequests = () => server.received.filter(({ path }) => path === dialect.chatPath);
    const ask = async (status: number, body: string, headers: Record<string, string> = {}): Promise<Outcome> => {
      server.play(forChat(reply(status, { "content-type": "application/json", ...headers }, body)));
      return endpoint.call(callWith());
    };

    it("gives the answer, its usage and the model that gave it", async () => {
      expect(await ask(200, dialect.answer("Hello 🐈", { input: 9, output: 3 }))).toMatchObject({
        kind: "answered",
        answer: {
          text: "Hello 🐈",
          finishReason: "stop",
          usage: { inputTokens: 9, outputTokens: 3, cachedTokens: provider === "ollama" ? 0 : 1 },
          model: "served-model",
        },
      });
      expect(chatRequests()).toHaveLength(1);
      expect(chatRequests()[0]?.headers.authorization).toBe(`Bearer ${apiKey}`);
    });

    it("counts no tokens when the usage is missing", async () => {
      expect(await ask(200, dialect.answer("Hi"))).toMatchObject({
        kind: "answered",
        answer: { usage: { inputTokens: 0, outputTokens: 0, cachedTokens: 0 } },
      });
    });

    it("passes the row's options, then the model's, none of its own, and says which it cannot take", async () => {
      server.play(forChat(replyJson(200, dialect.answer("ok"))));
      const messages = [
        { role: "system" as const, content: "Be short." },
        { role: "user" as const, content: prompt },
      ];
      const request = { messages, temperature: 0, stop: ["END"], seed: 5 };
      const call = callWith({ request, defaults: { temperature: 1, topP: 0.5 } });
      const outcome = await endpoint.call(call);
      const body = JSON.parse(chatRequests()[0]?.body ?? "{}");
      expect(body.model).toBe("some-model");
      expect(dialect.messagesOf(body)).toEqual(messages);
      const options = Object.entries({ max_tokens: 77, temperature: 0, top_p: 0.5, stop: ["END"], seed: 5 });
      const { refuses } = dialect;
      expect(dialect.optionsOf(body)).toEqual(Object.fromEntries(options.filter(([name]) => !refuses.includes(name))));
      expect(outcome).toMatchObject({ answer: refuses.length > 0 ? { omittedOptions: refuses } : {} });
      expect(await endpoint.call({ ...call, strict: true })).toMatchObject({
        kind: refuses.length > 0 ? "rejected" : "answered",
      });
      await endpoint.call(callWith());
      const plain = JSON.parse(chatRequests().at(-1)?.body ?? "{}");
      expect(dialect.optionsOf(plain)).toEqual({ max_tokens: 77 });
    });

    it.each([
      ["HTML", "text/html", "<html><title>Please log in</title></html>"],
      ["nothing", "application/json", ""],
      ["a string", "application/json", '"hello"'],
      ["plain text", "text/plain", "hello"],
      ["broken JSON", "application/json", '{"choices":[{"mess'],
      ["null", "application/json", "null"],
      ["a list", "application/json", "[]"],
    ])("takes a success that holds %s for no answer", async (_what, type, body) => {
      expect(await ask(200, body, { "content-type": type })).toMatchObject({ kind: "invalid-answer" });
    });

    it("takes a success without a message, or with an error in its place, for no answer", async () => {
      expect(await ask(200, dialect.noChoices)).toMatchObject({ kind: "invalid-answer" });
      expect(await ask(200, dialect.error("something broke"))).toMatchObject({ kind: "invalid-answer" });
    });

    const inAMinute = new Date(Date.now() + 60_000).toUTCString();
    const unavailable = (scope: string, reason: string) => ({ kind: "unavailable", scope, reason });
    it.each<[string, number, string, Record<string, string>, object]>([
      ["400 with an error", 400, dialect.error("temperature must be positive"), {}, { kind: "rejected" }],
      ["400 without JSON", 400, "Bad Request", {}, { kind: "rejected" }],
      ["400 for length", 400, dialect.error("exceeds the context length"), {}, { kind: "context-overflow" }],
      ["401", 401, dialect.error("wrong key"), {}, unavailable("tier", "bad-key")],
      ["402", 402, dialect.error("pay"), {}, unavailable("tier", "no-credit")],
      ["403", 403, dialect.error("not for you"), {}, unavailable("tier", "no-permission")],
      [
        "404 for the model",
        404,
        dialect.error("model 'some-model' not found"),
        {},
        unavailable("model", "model-missing"),
      ],
      ["404 for the path", 404, "404 page not found", {}, { kind: "unreachable" }],
      ["405", 405, "", {}, { kind: "unreachable" }],
      ["408", 408, "", {}, { kind: "throttled" }],
      ["409", 409, "", {}, { kind: "throttled" }],
      ["413", 413, "<html>413 Request Entity Too Large</html>", {}, { kind: "context-overflow" }],
      ["422", 422, dialect.error("no such field"), {}, { kind: "rejected" }],
      ["425", 425, "", {}, { kind: "throttled" }],
      ["429", 429, dialect.error("slow down"), {}, { kind: "throttled" }],
      ["429 with seconds", 429, "", { "retry-after": "3" }, { kind: "throttled", retryAfterMs: 3_000 }],
      ["429 with an hour", 429, "", { "retry-after": "3600" }, { kind: "throttled", retryAfterMs: 3_600_000 }],
      [
        "429 with ms",
        429,
        "",
        { "retry-after-ms": "250", "retry-after": "9" },
        { kind: "throttled", retryAfterMs: 250 },
      ],
      ["500", 500, dialect.error("oops"), {}, { kind: "server-error" }],
      ["502", 502, "<html><title>502 Bad Gateway</title></html>", {}, { kind: "server-error" }],
      ["503", 503, "<html><title>503 Service Unavailable</title></html>", {}, { kind: "server-error" }],
      ["503 with a time", 503, "", { "retry-after": "7" }, { kind: "throttled", retryAfterMs: 7_000 }],
      ["503 of a busy server", 503, dialect.error("server busy, please try again."), {}, { kind: "throttled" }],
      ["504", 504, "", {}, { kind: "server-error" }],
      ["529", 529, dialect.error("overloaded"), {}, { kind: "throttled" }],
    ])("reads %s", async (_what, status, body, headers, expected) => {
      const outcome = await ask(status, body, headers);
      expect(outcome).toMatchObject(expected);
      if (!("retry-after" in headers)) expect(outcome).not.toHaveProperty("retryAfterMs");
    });

    it("reads a time to wait that is a date, and ignores one that is negative or nonsense", async () => {
      const dated = await ask(429, "", { "retry-after": inAMinute });
      expect(dated).toMatchObject({ kind: "throttled" });
      expect((dated as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(30_000);
      expect((dated as { retryAfterMs: number }).retryAfterMs).toBeLessThanOrEqual(60_000);
      for (const value of ["-5", "soon", ""]) {
        expect(await ask(429, "", { "retry-after": value })).not.toHaveProperty("retryAfterMs");
      }
    });

    it("quotes the backend in one short line, without the key and without the prompt", async () => {
      const quoted = await ask(400, dialect.error(`the key ${apiKey}\nis ${"very ".repeat(300)}odd`));
      expect(quoted).toMatchObject({ kind: "rejected", message: expect.stringContaining("the key [key] is very") });
      expect((quoted as { message: string }).message.length).toBeLessThan(600);
      for (const echo of [prompt, `'input': '${prompt.slice(0, 38)}`]) {
        const outcome = await ask(422, dialect.error(`1 validation error: ${echo}`));
        expect(outcome).toMatchObject({ kind: "rejected" });
        expect((outcome as { message: string }).message).not.toContain("Mitzi");
      }
    });

    it("prints nothing, whatever comes back and whatever the variables of its client ask for", async () => {
      vi.stubEnv("OPENAI_LOG", "debug");
      vi.stubEnv("ANTHROPIC_LOG", "debug");
      const quiet = connectTo(provider, server);
      const spies = (["debug", "log", "info", "warn", "error"] as const).map((method) =>
        vi.spyOn(console, method).mockReturnValue(undefined),
      );
      for (const [status, body] of [
        [502, "<html>"],
        [500, "{"],
        [200, "{"],
        [200, dialect.answer("ok")],
      ] as const) {
        server.play(forChat(reply(status, { "content-type": "application/json" }, body)));
        await quiet.call(callWith());
      }
      await quiet.close();
      vi.unstubAllEnvs();
      for (const spy of spies) {
        expect(spy).not.toHaveBeenCalled();
        spy.mockRestore();
      }
    });

    it("does not follow a redirect", async () => {
      const outcome = await ask(307, "", { location: `${server.origin}/elsewhere?key=1` });
      expect(outcome).toMatchObject({ kind: "unreachable", message: expect.stringContaining("/elsewhere") });
      expect(server.received.some(({ path }) => path.startsWith("/elsewhere"))).toBe(false);
    });

    it("leaves no listener behind on a signal that many calls share", async () => {
      const { signal } = new AbortController();
      server.play(forChat(replyJson(200, dialect.answer("ok"))));
      await Promise.all(Array.from({ length: 50 }, () => endpoint.call(callWith({ signal }))));
      expect(getEventListeners(signal, "abort")).toHaveLength(0);
    });

    it("lists the models of a server that is ready, in the server's order", async () => {
      server.play((request, response) =>
        replyJson(200, request.path === dialect.modelsPath ? dialect.models(["b", "a"]) : "{}")(request, response),
      );
      expect(await endpoint.probe(new AbortController().signal)).toEqual({ usable: true, models: ["b", "a"] });
    });

    it("says why a server is not usable", async () => {
      server.play(replyJson(401, dialect.error("who are you?")));
      expect(await endpoint.probe(new AbortController().signal)).toMatchObject({
        usable: false,
        outcome: unavailable("tier", "bad-key"),
      });
      server.play(replyJson(200, '{"hello":"world"}'));
      expect(await endpoint.probe(new AbortController().signal)).toMatchObject({ usable: false });
    });
  },
);
