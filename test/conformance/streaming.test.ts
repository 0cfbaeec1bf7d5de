import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BackendCall, Endpoint } from "../../workers/adapter.ts";
import type { adapters } from "../../workers/index.ts";
import { replyJson, type Script, type ScriptedServer, startScriptedServer } from "../support/scripted-server.ts";
import { callWith, connectTo, type Dialect, dialects, forChat } from "./dialects.ts";

describe.each(Object.entries(dialects) as [keyof typeof adapters, Dialect][])(
  "an answer of %s in pieces",
  (provider, dialect) => {
    let server: ScriptedServer;
    let endpoint: Endpoint;
    let told: string[];
    beforeAll(async () => {
      server = await startScriptedServer();
      endpoint = connectTo(provider, server);
    });
    afterAll(async () => {
      await endpoint.close();
      await server.close();
    });
    const call = (script: Script, change: Partial<BackendCall> = {}) => {
      told = [];
      server.play(forChat(script));
      return endpoint.call(callWith({ onText: (delta) => told.push(delta), ...change }));
    };
    /** Writes bytes in chunks that respect nothing: not lines, not characters. */
    const inPieces =
      (text: string, end: (response: Parameters<Script>[1]) => void = (response) => response.end()): Script =>
      async (_request, response) => {
        response.writeHead(200, { "content-type": dialect.pieces.contentType });
        const bytes = Buffer.from(text);
        for (let at = 0; at < bytes.length; at += 37) {
          response.write(bytes.subarray(at, at + 37));
          await sleep(0);
        }
        end(response);
      };
    const { start, delta, end, error } = dialect.pieces;
    const words = ["Hel", "lo 🐈", " and", " 猫"];

    it("is told as it comes, and is the answer that it would have been at once", async () => {
      const outcome = await call(inPieces(start + words.map(delta).join("") + end({ input: 9, output: 3 })));
      expect(outcome).toMatchObject({
        kind: "answered",
        answer: {
          text: "Hello 🐈 and 猫",
          finishReason: "stop",
          usage: { inputTokens: 9, outputTokens: 3 },
          model: "served-model",
        },
      });
      expect(told).toEqual(words);
      const sent = server.received.find(({ path }) => path === dialect.chatPath);
      expect(JSON.parse(sent?.body ?? "{}")).toMatchObject({ stream: true });
    });

    it("is asked for only where somebody listens", async () => {
      server.play(forChat(replyJson(200, dialect.answer("Hi"))));
      await endpoint.call(callWith());
      const sent = server.received.find(({ path }) => path === dialect.chatPath);
      expect(JSON.parse(sent?.body ?? "{}").stream ?? false).toBe(false);
    });

    it("is read as it comes where the server does not stream", async () => {
      expect(await call(replyJson(200, dialect.answer("Hi")))).toMatchObject({
        kind: "answered",
        answer: { text: "Hi" },
      });
      expect(told).toEqual([]);
      expect(await call(replyJson(503, dialect.error("busy")))).toMatchObject({ kind: "throttled" });
    });

    it.each<[string, (response: Parameters<Script>[1]) => void]>([
      ["is reset", (response) => response.socket?.resetAndDestroy()],
      ["ends", (response) => response.end()],
    ])("is none when it %s before its end, and is not asked for again", async (_how, breakOff) => {
      const outcome = await call(inPieces(start + delta("Hel") + delta("lo"), breakOff));
      expect(outcome).toMatchObject({ kind: "server-error" });
      expect("Hello".startsWith(told.join(""))).toBe(true);
      expect(server.received.filter(({ path }) => path === dialect.chatPath)).toHaveLength(1);
    });

    it("is none when the backend tells of an error in the middle", async () => {
      const outcome = await call(inPieces(start + delta("Hel") + error("out of memory")));
      expect(outcome).toMatchObject({ kind: "server-error", message: expect.stringContaining("out of memory") });
      expect(told).toEqual(["Hel"]);
    });

    it("stops when it is aborted, and lets the server know", async () => {
      const abort = new AbortController();
      const closed = Promise.withResolvers<void>();
      const endless: Script = (request, response) => {
        response.on("close", () => closed.resolve());
        inPieces(start + delta("Hel"), () => undefined)(request, response);
      };
      const outcome = await call(endless, { signal: abort.signal, onText: () => abort.abort() });
      expect(outcome).toMatchObject({ kind: "cancelled" });
      await closed.promise;
    });
  },
);
