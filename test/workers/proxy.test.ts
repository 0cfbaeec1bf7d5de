import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { EndpointOptions } from "../../workers/adapter.ts";
import type { adapters } from "../../workers/index.ts";
import { callWith, connectTo, dialects } from "../conformance/dialects.ts";
import { replyJson, type ScriptedServer, startScriptedServer } from "../support/scripted-server.ts";
import { type SimulatedProxy, startSimulatedProxy } from "../support/simulated-proxy.ts";

let server: ScriptedServer;
let proxy: SimulatedProxy;
beforeEach(async () => {
  server = await startScriptedServer();
  proxy = await startSimulatedProxy(Number(new URL(server.origin).port));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await proxy.close();
  await server.close();
});

const cloud: Partial<EndpointOptions> = { location: "cloud", baseUrl: "http://api.example.test" };
/** A call of an adapter whose server is `options`, answered by whoever gets it. */
async function call(provider: keyof typeof adapters, options: Partial<EndpointOptions>, change = {}) {
  server.play(replyJson(200, dialects[provider]!.answer("ok")));
  const endpoint = connectTo(provider, server, options);
  const outcome = await endpoint.call(callWith(change));
  await endpoint.close();
  return outcome;
}

describe.each(["anthropic", "openai", "openai-compatible"] as const)("the adapter for %s", (provider) => {
  const { basePath, chatPath } = dialects[provider]!;
  const baseUrl = `http://api.example.test${basePath}`;

  it("reaches a cloud through the proxy that the environment names, with the proxy's password", async () => {
    vi.stubEnv("HTTP_PROXY", `http://me:secret@${proxy.address}`);
    expect(await call(provider, { ...cloud, baseUrl })).toMatchObject({ kind: "answered" });
    const authorization = `Basic ${Buffer.from("me:secret").toString("base64")}`;
    expect(proxy.asked).toEqual([{ what: `POST http://api.example.test${chatPath}`, authorization }]);
    expect(server.received[0]?.headers).not.toHaveProperty("proxy-authorization");
    expect(server.received[0]?.headers.host).toBe("api.example.test");
  });

  it("never sends what is for a local server through a proxy", async () => {
    for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"]) {
      vi.stubEnv(name, `http://${proxy.address}`);
    }
    for (const isPrivate of [true, false]) {
      expect(await call(provider, { location: "local" }, { private: isPrivate })).toMatchObject({ kind: "answered" });
      // A name that only a proxy could know.
      const options = { location: "local" as const, baseUrl, trustedHosts: ["api.example.test"] };
      expect(await call(provider, options, { private: isPrivate })).toMatchObject({ kind: "unreachable" });
    }
    expect(proxy.asked).toEqual([]);
  });
});

it("goes past the proxy for a host that NO_PROXY names", async () => {
  vi.stubEnv("HTTP_PROXY", `http://${proxy.address}`);
  vi.stubEnv("NO_PROXY", "example.test");
  const outcome = await call("openai", { ...cloud, baseUrl: "http://api.example.test:9/v1" }, { timeoutMs: 5_000 });
  expect(outcome).toMatchObject({ kind: "unreachable", message: expect.not.stringContaining("proxy") });
  expect(proxy.asked).toEqual([]);
});

it("says that it was the proxy which cannot be reached, without its password", async () => {
  const { address } = proxy;
  await proxy.close();
  vi.stubEnv("HTTPS_PROXY", `http://me:secret@${address}`);
  const outcome = await call("openai", { ...cloud, baseUrl: "https://api.example.test/v1" });
  expect(outcome).toMatchObject({ kind: "unreachable", message: expect.stringContaining(`the proxy ${address}`) });
  expect((outcome as { message: string }).message).not.toContain("secret");
  proxy = await startSimulatedProxy(1);
});

it.each([
  ["https", 407],
  ["https", 403],
  ["http", 407],
] as const)(
  "takes a proxy that refuses %s with %i for a way that is closed, not for an answer",
  async (scheme, status) => {
    const refusing = await startSimulatedProxy(1, status);
    vi.stubEnv("HTTPS_PROXY", `http://${refusing.address}`);
    vi.stubEnv("HTTP_PROXY", `http://${refusing.address}`);
    const outcome = await call("openai", { ...cloud, baseUrl: `${scheme}://api.example.test/v1` });
    expect(outcome).toMatchObject({ kind: "unreachable", message: expect.stringContaining(String(status)) });
    await refusing.close();
  },
);
