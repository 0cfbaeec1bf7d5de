import { onTestFinished } from "vitest";
import type { ConfigFile } from "../../src/config/schema.ts";
import { createFleet, type Fleet, type FleetOptions, type Result } from "../../src/index.ts";
import { type SimulatedBackend, startSimulatedBackend } from "../support/simulated-backend.ts";

/** A config on two SIMULATED backends, of which one counts as a cloud, and fleets that use it. */
export interface GivenFleet {
  readonly backend: SimulatedBackend;
  readonly cloud: SimulatedBackend;
  readonly config: ConfigFile;
  /** Joins; the fleet is closed after the test if the test has not done it. */
  open(options: FleetOptions): Promise<Fleet>;
}

type Behaviour = Parameters<typeof startSimulatedBackend>[0];

/** Tiers `lab` (16 calls at once) and `cloud`, models `small` and `large` on them, tasks `simple`, `big`, `secret`. */
export async function givenFleet(behaviour: Behaviour = {}, change: Partial<ConfigFile> = {}): Promise<GivenFleet> {
  const backend = await startSimulatedBackend(behaviour);
  const cloud = await startSimulatedBackend();
  onTestFinished(async () => {
    await backend.close();
    await cloud.close();
  });
  const provider = "openai-compatible";
  const config: ConfigFile = {
    tiers: {
      lab: { provider, baseUrl: backend.baseUrl, location: "local", concurrency: 16 },
      cloud: { provider, baseUrl: cloud.baseUrl, location: "cloud", concurrency: 16 },
      ...change.tiers,
    },
    models: {
      small: { tier: "lab", model: "simulated-model" },
      large: { tier: "cloud", model: "simulated-model" },
      ...change.models,
    },
    tasks: {
      simple: { primary: "small" },
      big: { primary: "large" },
      secret: { primary: "small", fallback: ["large"], private: true },
      ...change.tasks,
    },
  };
  return {
    backend,
    cloud,
    config,
    async open(options) {
      const fleet = await createFleet({ config, ...options });
      let closed: Promise<void> | undefined;
      const close = () => (closed ??= fleet.close());
      onTestFinished(close);
      return { ...fleet, close };
    },
  };
}

/** Rows `PREFIX0`, `PREFIX1`, …, which the simulated backend counts by these ids. */
export function* rows(count: number, prefix = "r") {
  for (let row = 0; row < count; row++) yield { id: `${prefix}${row}`, prompt: `say something about #${prefix}${row}` };
}

export async function collect<Json>(results: AsyncIterable<Result<Json>>): Promise<Result<Json>[]> {
  const collected: Result<Json>[] = [];
  for await (const result of results) collected.push(result);
  return collected;
}
