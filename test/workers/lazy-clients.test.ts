import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";

/** Imports the adapters, connects one and says which of the heavy clients were loaded for it. */
const program = `
  import { registerHooks } from "node:module";
  const loaded = new Set();
  registerHooks({
    resolve(name, context, next) {
      if (/^(openai|@anthropic-ai\\/sdk)/.test(name)) loaded.add(name);
      return next(name, context);
    },
  });
  const { adapters } = await import("./workers/index.ts");
  const options = { tier: "t", baseUrl: "http://127.0.0.1:9", location: "local", trustedHosts: [], concurrency: 1 };
  const endpoints = [adapters.anthropic, adapters.openai].map((adapter) => adapter.connect(options));
  const before = [...loaded];
  await Promise.all(endpoints.map((endpoint) => endpoint.probe(AbortSignal.timeout(5_000))));
  console.log(JSON.stringify({ before, after: [...loaded].sort() }));
`;

it("loads the clouds' clients when they are first asked, so that no other run has to wait for them", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program]);
  expect(JSON.parse(stdout)).toEqual({ before: [], after: ["@anthropic-ai/sdk", "openai"] });
});
