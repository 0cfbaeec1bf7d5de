import type { Config } from "../../src/config/config.ts";
import type { ConfigFile } from "../../src/config/schema.ts";
import type { ConsensusRule } from "../../src/job/consensus.ts";
import type { ResultLine } from "../../src/job/result.ts";
import { givenBackend } from "./given-backend.ts";
import { givenFleetConfig } from "./given-config.ts";
import { type GivenRow, startRun } from "./given-run.ts";
import { assertNothingLeft } from "./laws.ts";
import type { TestRedis } from "./redis-server.ts";
import type { SimulatedBackend } from "./simulated-backend.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** Two of the models on the tiers a, b and c must agree. */
export const twoOfThree: ConsensusRule = { models: ["on-a", "on-b", "on-c"], threshold: 0.66 };

/** A backend that gives one answer to everything. */
export const says = (text: string): Promise<SimulatedBackend> => givenBackend({ answer: () => text });

/** A config whose tiers are these backends. */
export function configOf(
  server: TestRedis,
  backends: Readonly<Record<string, { readonly baseUrl: string }>>,
  more?: Partial<ConfigFile>,
): Config {
  return givenFleetConfig(server.newFleetName(), backends, more);
}

/** Runs these rows to their end. */
export async function runToEnd(server: TestRedis, config: Config, rows: readonly GivenRow[]): Promise<ResultLine[]> {
  const started = await startRun({ server, config, folder: temporaryFolder(), rows });
  const results = await started.finish(true);
  await assertNothingLeft(server.client, config.fleet);
  return results;
}
