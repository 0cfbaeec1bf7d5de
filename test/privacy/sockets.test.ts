import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import type { Adapter } from "../../workers/adapter.ts";
import { adapters } from "../../workers/index.ts";
import { replyJson, type ScriptedServer, startScriptedServer } from "../support/scripted-server.ts";

let server: ScriptedServer;
let elsewhere: ScriptedServer;
beforeEach(async () => {
  server = await startScriptedServer();
  elsewhere = await startScriptedServer();
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server.close();
  await elsewhere.close();
});

const privateCall = (timeoutMs = 5_000) => ({
  model: "m",
  request: { messages: [{ role: "user" as const, content: "the patient's name is Jane" }] },
  maxOutputTokens: 10,
  defaults: {},
  strict: false,
  private: true,
  signal: new AbortController().signal,
  timeoutMs,
});

function connect(adapter: Adapter, location: "local" | "cloud") {
  const baseUrl = adapter.needsBaseUrl ? `${server.origin}/v1` : "";
  const endpoint = adapter.connect({
    tier: "t",
    baseUrl,
    apiKey: "sk-test",
    location,
    trustedHosts: [],
    concurrency: 1,
  });
  onTestFinished(() => endpoint.close());
  return endpoint;
}

/** llama-cpp has no way out of the process. */
const withWayOut = Object.values(adapters as Record<string, Adapter>).filter(
  ({ provider }) => provider !== "llama-cpp",
);
const onServers = withWayOut.filter(({ needsBaseUrl }) => needsBaseUrl);

describe.each(withWayOut.map((adapter) => [adapter.provider, adapter] as const))("%s", (_provider, adapter) => {
  it("refuses a private row where it is not local, without a word to the server and without the text", async () => {
    const outcome = await connect(adapter, "cloud").call(privateCall());
    expect(outcome).toMatchObject({ kind: "refused-by-policy" });
    expect(JSON.stringify(outcome)).not.toContain("Jane");
    expect(server.connections).toBe(0);
  });
});

describe.each(onServers.map((adapter) => [adapter.provider, adapter] as const))(
  "%s on a local server",
  (_provider, adapter) => {
    it.each([301, 302, 307, 308])("follows no redirect (%i), wherever it points", async (status) => {
      server.play(replyJson(status, "{}", { location: `${elsewhere.origin}/v1/chat/completions` }));
      expect((await connect(adapter, "local").call(privateCall())).kind).not.toBe("answered");
      expect(server.received.length).toBeGreaterThan(0);
      expect(elsewhere.connections).toBe(0);
    });

    it("uses no proxy, whatever the environment says", async () => {
      for (const name of ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]) {
        vi.stubEnv(name, elsewhere.origin);
      }
      vi.stubEnv("NODE_USE_ENV_PROXY", "1");
      vi.stubEnv("NO_PROXY", "");
      server.play(replyJson(500, "{}"));
      await connect(adapter, "local").call(privateCall());
      expect(server.received.length).toBeGreaterThan(0);
      expect(elsewhere.connections).toBe(0);
    });

    it("says nothing of the text in its error when the server repeats it", async () => {
      server.play(({ body }, response) =>
        replyJson(400, JSON.stringify({ error: { message: `bad: ${body}` } }))({} as never, response),
      );
      const outcome = await connect(adapter, "local").call(privateCall());
      expect(outcome.kind).not.toBe("answered");
      expect(JSON.stringify(outcome)).not.toContain("Jane");
    });
  },
);

describe("a config", () => {
  const tier = (more: object) =>
    loadConfig({
      config: {
        tiers: { t: { provider: "openai-compatible", location: "local", ...more } },
        models: { m: { tier: "t", model: "m" } },
        tasks: { simple: { primary: "m" } },
      },
      environment: {},
    });

  it.each(["aichat", "claude-cli"] as const)("cannot declare %s local", async (provider) => {
    await expect(tier({ provider })).rejects.toThrow(/tiers\.t\.location.*"cloud"/s);
  });

  it("cannot declare a public address local, nor a list that holds one", async () => {
    await expect(tier({ baseUrl: "http://203.0.113.9/v1" })).rejects.toThrow(/tiers\.t\.location/);
    const baseUrl = ["http://127.0.0.1:8000/v1", "http://[2001:db8::1]/v1"];
    await expect(tier({ baseUrl })).rejects.toThrow(/tiers\.t\.location/);
  });

  it("may declare a name local, which is then judged when it is connected to", async () => {
    expect((await tier({ baseUrl: "http://gpu.example.net/v1" })).tiers.t?.location).toBe("local");
  });

  it("without a word on it holds for a cloud whatever is not certainly local", async () => {
    const located = async (baseUrl: string) => (await tier({ baseUrl, location: undefined })).tiers.t?.location;
    expect(await located("http://gpu.example.net/v1")).toBe("cloud");
    expect(await located("http://100.64.0.1/v1")).toBe("cloud");
    expect(await located("http://127.0.0.1:8000/v1")).toBe("local");
  });
});
