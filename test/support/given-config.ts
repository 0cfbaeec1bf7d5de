import { buildConfig } from "../../src/config/build.ts";
import type { Config } from "../../src/config/config.ts";
import type { ConfigFile } from "../../src/config/schema.ts";

/** A config with a tier for each backend, named as given, and a model `on-TIER` for each; the first is the default. */
export function givenFleetConfig(
  fleet: string,
  backends: Readonly<Record<string, { readonly baseUrl: string }>>,
  more: Partial<ConfigFile> = {},
): Config {
  const names = Object.keys(backends);
  const file: ConfigFile = {
    tiers: Object.fromEntries(
      Object.entries(backends).map(([name, { baseUrl }]) => [
        name,
        { provider: "openai-compatible", baseUrl, concurrency: 16, ...more.tiers?.[name] },
      ]),
    ),
    models: {
      ...Object.fromEntries(names.map((name) => [`on-${name}`, { tier: name, model: "simulated-model" }])),
      ...more.models,
    },
    tasks: more.tasks ?? { simple: { primary: `on-${names[0]}` } },
    ...(more.serve && { serve: more.serve }),
  };
  return buildConfig(file, { fleet, source: "given", keys: new Map() });
}
