import { createServer as createSecureServer } from "node:https";
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Endpoint } from "../../workers/adapter.ts";
import type { adapters } from "../../workers/index.ts";
import { selfSignedCertificate } from "../support/certificate.ts";
import { replyJson, type Script, type ScriptedServer, startScriptedServer } from "../support/scripted-server.ts";
import { callWith, connectTo, type Dialect, dialects, forChat } from "./dialects.ts";

const megabyte = "x".repeat(1024 ** 2);

describe.each(Object.entries(dialects) as [keyof typeof adapters, Dialect][])(
  "the connection of %s",
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
    const call = (script: Script, change = {}) => {
      server.play(forChat(script));
      return endpoint.call(callWith(change));
    };

    it("takes a connection that is reset for an error of the server", async () => {
      const reset: Script = (_request, response) => response.socket?.resetAndDestroy();
      expect(await call(reset)).toMatchObject({ kind: "server-error" });
      const resetInBody: Script = (_request, response) => {
        response.writeHead(200, { "content-type": "application/json", "content-length": "5000" });
        response.write('{"choices":[', () => response.socket?.resetAndDestroy());
      };
      expect(await call(resetInBody)).toMatchObject({ kind: "server-error" });
    });

    it("works again after that", async () => {
      expect(await call(replyJson(200, dialect.answer("back")))).toMatchObject({ kind: "answered" });
    });

    it.each<[string, Script]>([
      ["before its headers", () => undefined],
      [
        "after its headers",
        (_request, response) => {
          response.writeHead(200, { "content-type": "application/json" });
          response.flushHeaders();
        },
      ],
      [
        "in its body",
        (_request, response) => {
          response.writeHead(200, { "content-type": "application/json" });
          response.write('{"choices":');
        },
      ],
    ])("ends a call at its deadline when the server stalls %s", async (_when, script) => {
      expect(await call(script, { timeoutMs: 120 })).toMatchObject({ kind: "timed-out" });
    });

    it("ends a call when it is aborted, and lets the server know", async () => {
      const abort = new AbortController();
      const closed = Promise.withResolvers<void>();
      const outcome = await call(
        (_request, response) => {
          response.on("close", () => closed.resolve());
          abort.abort();
        },
        { signal: abort.signal },
      );
      expect(outcome).toMatchObject({ kind: "cancelled" });
      await closed.promise;
    });

    it("sends nothing when it is aborted before", async () => {
      const outcome = await call(replyJson(200, dialect.answer("no")), { signal: AbortSignal.abort() });
      expect(outcome).toMatchObject({ kind: "cancelled" });
      expect(server.received.filter(({ path }) => path === dialect.chatPath)).toHaveLength(0);
    });

    it("refuses an answer that is too long, by its length or as it comes", async () => {
      const announced: Script = (_request, response) => {
        response.writeHead(200, { "content-type": "application/json", "content-length": String(65 * 1024 ** 2) });
        response.flushHeaders();
      };
      expect(await call(announced)).toMatchObject({
        kind: "invalid-answer",
        message: expect.stringContaining("64 MB"),
      });
      const endless: Script = (_request, response) => {
        response.writeHead(200, { "content-type": "application/json" });
        const more = (): void => {
          while (!response.destroyed && response.write(megabyte));
        };
        response.on("drain", more);
        more();
      };
      expect(await call(endless)).toMatchObject({ kind: "invalid-answer", message: expect.stringContaining("64 MB") });
    });

    it("judges an endless error by its status and its beginning", async () => {
      const endless: Script = (_request, response) => {
        response.writeHead(500, { "content-type": "text/plain" });
        const more = (): void => {
          while (!response.destroyed && response.write(megabyte));
        };
        response.on("drain", more);
        more();
      };
      expect(await call(endless)).toMatchObject({ kind: "server-error" });
    });

    it("keeps its connections for the next calls", async () => {
      const script = replyJson(200, dialect.answer("ok"));
      await call(script);
      const before = server.connections;
      for (let count = 0; count < 10; count++) await call(script);
      // One more, because undici rests a connection for a turn of the event loop.
      expect(server.connections).toBeLessThanOrEqual(before + 1);
    });

    it("refuses a private row on a tier that is not local, wherever that is", async () => {
      const cloud = connectTo(provider, server, { location: "cloud" });
      server.play(forChat(replyJson(200, dialect.answer("leaked"))));
      expect(await cloud.call(callWith({ private: true }))).toMatchObject({ kind: "refused-by-policy" });
      expect(server.received).toHaveLength(0);
      expect(await cloud.call(callWith())).toMatchObject({ kind: "answered" });
      await cloud.close();
    });

    it.each(["203.0.113.7", "[2001:db8::7]"])("refuses a local tier at %s before it connects", async (host) => {
      const elsewhere = connectTo(provider, server, { baseUrl: `http://${host}${dialect.basePath}` });
      const message = expect.stringContaining("policy.trustedHosts");
      expect(await elsewhere.call(callWith({ private: true }))).toMatchObject({ kind: "refused-by-policy", message });
      // Not the row's fault: the tier waits with that reason, and the row for it or for its next model.
      expect(await elsewhere.call(callWith({ private: false }))).toMatchObject({ kind: "unreachable", message });
      await elsewhere.close();
    });

    it("takes a refused connection for an endpoint that is not there", async () => {
      const gone = await startScriptedServer();
      const nowhere = connectTo(provider, gone);
      await gone.close();
      const words = { kind: "unreachable", message: expect.stringContaining("connection refused") };
      expect(await nowhere.call(callWith())).toMatchObject(words);
      expect(await nowhere.probe(new AbortController().signal)).toMatchObject({ usable: false, outcome: words });
      await nowhere.close();
    });

    it("takes a server whose certificate nobody vouches for for an endpoint that is not there", async () => {
      const { certificate, key } = selfSignedCertificate("localhost");
      const secure = createSecureServer({ cert: certificate, key }, (_request, response) => response.end("never"));
      await new Promise<void>((resolve) => secure.listen(0, "127.0.0.1", resolve));
      const { port } = secure.address() as { port: number };
      const other = connectTo(provider, server, { baseUrl: `https://127.0.0.1:${port}${dialect.basePath}` });
      expect(await other.call(callWith())).toMatchObject({
        kind: "unreachable",
        message: expect.stringContaining("certificate is self-signed"),
      });
      await other.close();
      await new Promise((resolve) => secure.close(resolve));
    });

    it("takes a program that does not speak HTTP for an endpoint that is not there", async () => {
      const redisLike = createServer((socket) => socket.on("data", () => socket.end("-ERR unknown command\r\n")));
      await new Promise<void>((resolve) => redisLike.listen(0, "127.0.0.1", resolve));
      const { port } = redisLike.address() as { port: number };
      const other = connectTo(provider, server, { baseUrl: `http://127.0.0.1:${port}${dialect.basePath}` });
      expect(await other.call(callWith())).toMatchObject({ kind: "unreachable" });
      await other.close();
      await new Promise((resolve) => redisLike.close(resolve));
    });
  },
);
