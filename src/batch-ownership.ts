import type { ModelConfig } from "./config/config.ts";
import type { Fleet } from "./fleet.ts";
import { OwnershipLost } from "./queue/place-rows.ts";

export interface OwnershipOptions {
  readonly fleet: Fleet;
  readonly batchId: string;
  readonly generation: number;
  readonly outputPath: string;
  /** One above any epoch that left a segment on disk. */
  readonly lowestEpoch: number;
  readonly models: Readonly<Record<string, ModelConfig>>;
  readonly keepAnswered: boolean;
  /** Rows whose results are on disk, one bit each. */
  readonly storedBitmap: () => Buffer;
}

/** That this process is a batch's owner, as Redis knows it. */
export interface BatchOwnership {
  readonly epoch: number;
  /** Rows that an earlier owner may have placed. */
  readonly placedBefore: ReadonlySet<number>;
  /** Redis came back as somebody else and is told again. */
  claimAgain(): Promise<void>;
  /** @throws OwnershipLost when another process has taken the batch over. */
  check(): Promise<void>;
}

export async function claimOwnership(options: OwnershipOptions): Promise<BatchOwnership> {
  const { fleet, batchId, generation, outputPath, lowestEpoch, models, keepAnswered } = options;
  const claim = (rebuild: boolean) =>
    fleet.claims.claim({
      batchId,
      outputPath,
      processId: fleet.processId,
      lowestEpoch,
      generation,
      incarnation: fleet.incarnation(),
      models,
      storedBitmap: options.storedBitmap(),
      rebuild,
      keepAnswered,
    });
  const claimed = await claim(false);
  let { epoch } = claimed;
  return {
    get epoch() {
      return epoch;
    },
    placedBefore: claimed.placedBefore,
    async claimAgain() {
      epoch = (await claim(true)).epoch;
    },
    async check() {
      const [owner, current] = await fleet.redis.hmget(fleet.names.batch(batchId).batch, "owner", "epoch");
      if (owner !== null && owner !== fleet.processId && Number(current) > epoch) {
        throw new OwnershipLost(`batch ${batchId} was taken over by ${owner}`);
      }
    },
  };
}
