import type { Redis } from "ioredis";
import { findModel } from "../config/ad-hoc.ts";
import type { Config, ModelConfig } from "../config/config.ts";
import { batchOfRows } from "../job/consensus.ts";
import type { FleetNames } from "../queue/names.ts";

/** What the owners of batches say of them, for the pools of this process. */
export interface ModelTables {
  /** A model as the batch's owner configured it. */
  modelOf(batchId: string, alias: string): Promise<ModelConfig>;
  /** The batch may spend no more than it was told; known for a batch of which a model was asked for. */
  hasBudget(batchId: string): boolean;
}

interface ModelTable {
  readonly models: Record<string, ModelConfig>;
  readonly hasBudget: boolean;
  readonly readAtMs: number;
}

const keptMs = 5_000;
const mostTables = 100;

export function createModelTables(redis: Redis, names: FleetNames, config: Config): ModelTables {
  const tables = new Map<string, ModelTable>();
  return {
    async modelOf(batchId, alias) {
      let table = tables.get(batchId);
      if (table === undefined || table.readAtMs < performance.now() - keptMs) {
        const [json, hasBudget] = await redis.hmget(names.batch(batchOfRows(batchId)).batch, "models", "hasBudget");
        table = { models: JSON.parse(json ?? "{}"), hasBudget: hasBudget === "1", readAtMs: performance.now() };
        tables.set(batchId, table);
        if (tables.size > mostTables) tables.delete(tables.keys().next().value!);
      }
      // A batch that has ended has no table any more; the gate will say so before the model is used.
      const model = table.models[alias] ?? findModel(config, alias);
      return model ?? { alias, tier: "", model: alias, maxOutputTokens: 2_048, defaults: {} };
    },
    hasBudget: (batchId) => tables.get(batchId)?.hasBudget === true,
  };
}
