import { expect, it } from "vitest";
import { buildConfig } from "../../src/config/build.ts";
import { rowsTogether } from "../../src/config/limits.ts";
import type { ConfigFile } from "../../src/config/schema.ts";

const together = (limits: object | "auto" | undefined, ofModel?: object) => {
  const tier = { provider: "openai-compatible", baseUrl: "http://127.0.0.1:1/v1", location: "local", limits };
  const file = {
    defaultTask: "simple",
    tiers: { lab: tier },
    models: { small: { tier: "lab", model: "m", limits: ofModel } },
    tasks: { simple: { primary: "small" } },
  };
  return rowsTogether(
    buildConfig(JSON.parse(JSON.stringify(file)) as ConfigFile, { fleet: "f", source: "test", keys: new Map() }),
    "lab",
  );
};

it("lets no more rows share a job than limits let in within half a second", () => {
  expect(together(undefined)).toBe(Number.POSITIVE_INFINITY);
  expect(together({ rpm: 60 })).toBe(1);
  expect(together({ rpm: 6_000 })).toBe(50);
  expect(together({ rpm: 6_000, tpm: 600_000 })).toBe(10);
  expect(together({ rpm: 6_000 }, { rpm: 120 })).toBe(1);
  expect(together("auto")).toBe(1);
});
