import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { classifyHost, hostOf, isPrivateAddress } from "../../src/config/host-location.ts";
import { openConnection } from "../../workers/http.ts";
import type { Lookup } from "../../workers/location-guard.ts";
import { replyJson, type ScriptedServer, startScriptedServer } from "../support/scripted-server.ts";

describe("an address", () => {
  it.each([
    ...["127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.1.1", "0.0.0.0"],
    ...["::1", "::", "fd12::1", "fc00::1", "fe80::1", "fe80::1%eth0", "::ffff:10.0.0.1", "::ffff:7f00:1"],
  ])("%s is local", (address) => {
    expect(isPrivateAddress(address)).toBe(true);
  });
  it.each([
    ...["8.8.8.8", "172.32.0.1", "172.15.0.1", "192.169.0.1", "11.0.0.1", "100.64.0.1", "0.0.0.1", "203.0.113.1"],
    ...[
      "2001:db8::1",
      "::ffff:8.8.8.8",
      "64:ff9b::a00:1",
      "fec0::1",
      "",
      "localhost",
      "10.0.0",
      "10.0.0.1.example.com",
    ],
  ])("%j is not", (address) => {
    expect(isPrivateAddress(address)).toBe(false);
  });
  it("tells what a host says by itself, and what only the DNS can tell", () => {
    expect(classifyHost("LOCALHOST.", [])).toBe("local");
    expect(classifyHost("api.localhost", [])).toBe("local");
    expect(classifyHost("[::1]", [])).toBe("local");
    expect(classifyHost("8.8.8.8", [])).toBe("public");
    expect(classifyHost("8.8.8.8", ["8.8.8.8"])).toBe("local");
    expect(classifyHost("gpu.example.net", [])).toBe("name");
    expect(classifyHost("gpu.example.net", ["GPU.example.net"])).toBe("local");
    expect(classifyHost("localhost.example.net", [])).toBe("name");
    expect(hostOf("http://[FD00::1]:8000/v1")).toBe("fd00::1");
  });
});

describe("a connection of a local tier", () => {
  let server: ScriptedServer;
  let port: string;
  beforeEach(async () => {
    server = await startScriptedServer();
    port = new URL(server.origin).port;
    server.play(replyJson(200, "{}"));
  });
  afterEach(() => server.close());

  /** A DNS that gives these answers, one after the other, and the last one for ever. */
  function dns(...answers: string[][]): Lookup & { asked: () => number } {
    let asked = 0;
    const lookup: Lookup = (_host, _options, done) => {
      const addresses = answers[Math.min(asked++, answers.length - 1)] ?? [];
      process.nextTick(() =>
        done(
          null,
          addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
        ),
      );
    };
    return Object.assign(lookup, { asked: () => asked });
  }
  function open(host: string, lookup: Lookup, trustedHosts: string[] = []) {
    const baseUrl = `http://${host}:${port}`;
    return openConnection({ tier: "t", baseUrl, location: "local", trustedHosts, concurrency: 1 }, lookup);
  }
  const request = {
    method: "GET",
    path: "/",
    private: true,
    timeoutMs: 2_000,
    signal: new AbortController().signal,
  } as const;

  it("goes to a name that leads to local addresses only", async () => {
    const connection = open("gpu.example.net", dns(["127.0.0.1"]));
    expect(await connection.send(request)).toMatchObject({ kind: "response", status: 200 });
    await connection.close();
  });

  it("is refused when one of a name's addresses is not local, and nothing is connected to", async () => {
    const connection = open("gpu.example.net", dns(["127.0.0.1", "203.0.113.9"]));
    expect(await connection.send(request)).toMatchObject({
      kind: "refused-by-policy",
      message: expect.stringMatching(/gpu\.example\.net \(203\.0\.113\.9\).*policy\.trustedHosts/),
    });
    expect(server.connections).toBe(0);
    await connection.close();
  });

  it("uses the very addresses that were judged: a name that changes after that is judged again", async () => {
    const lookup = dns(["127.0.0.1"], ["203.0.113.9"]);
    const connection = open("rebinding.example.net", lookup);
    expect(await connection.send(request)).toMatchObject({ kind: "response" });
    expect(lookup.asked()).toBe(1);
    server.play((_request, response) => response.socket?.destroy());
    await connection.send(request);
    server.play(replyJson(200, "{}"));
    expect(await connection.send(request)).toMatchObject({ kind: "refused-by-policy" });
    expect(server.received).toHaveLength(0);
    await connection.close();
  });

  it("goes wherever a trusted host leads", async () => {
    const lookup = dns(["127.0.0.1", "203.0.113.9"]);
    const connection = open("gpu.example.net", lookup, ["gpu.example.net"]);
    expect(await connection.send(request)).toMatchObject({ kind: "response" });
    await connection.close();
  });

  it("finds a name that does not resolve unreachable, not refused", async () => {
    const nowhere: Lookup = (host, _options, done) =>
      process.nextTick(() =>
        done(Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: "ENOTFOUND" }), []),
      );
    const connection = open("gone.example.net", nowhere);
    expect(await connection.send(request)).toMatchObject({
      kind: "unreachable",
      message: expect.stringContaining("no such host"),
    });
    await connection.close();
  });

  it("ends at the deadline while it waits for the DNS, without having sent anything", async () => {
    const connection = open("slow.example.net", () => undefined);
    expect(await connection.send({ ...request, timeoutMs: 50 })).toMatchObject({ kind: "unreachable" });
    await connection.close();
  });

  it("sends nothing of a call that was given up before there was a connection", async () => {
    const asked = Promise.withResolvers<void>();
    const mayAnswer = Promise.withResolvers<void>();
    const held: Lookup = (_host, _options, done) => {
      asked.resolve();
      void mayAnswer.promise.then(() => done(null, [{ address: "127.0.0.1", family: 4 }]));
    };
    const connection = open("slow.example.net", held);
    const abort = new AbortController();
    const givenUp = connection.send({ ...request, path: "/given-up", signal: abort.signal });
    await asked.promise;
    abort.abort();
    expect(await givenUp).toMatchObject({ kind: "cancelled" });
    const next = connection.send({ ...request, path: "/next" });
    mayAnswer.resolve();
    expect(await next).toMatchObject({ kind: "response" });
    expect(server.received.map(({ path }) => path)).toEqual(["/next"]);
    await connection.close();
  });
});
