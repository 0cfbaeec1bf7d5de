import { hostname } from "node:os";
import { dirname } from "node:path";
import type { Redis } from "ioredis";
import { diskOf } from "../config/folder-watch.ts";
import type { BatchState } from "../job/batch.ts";
import { moveBatch } from "../job/batch.ts";
import { votesBatchOf } from "../job/consensus.ts";
import type { FleetNames } from "./names.ts";
import { redisScript } from "./redis-script.ts";

export interface ClaimRequest {
  readonly batchId: string;
  readonly processId: string;
  /** Where its files lie; none for a batch without files. */
  readonly outputPath?: string;
  /** One above any epoch that left a segment on disk; 1 for a batch without files. */
  readonly lowestEpoch: number;
  readonly generation: number;
  readonly incarnation: string;
  /** alias → ModelConfig, for the pools. */
  readonly models: Readonly<Record<string, unknown>>;
  /** Rows whose results are on disk, one bit each. */
  readonly storedBitmap: Buffer;
  /** Redis came back as somebody else: gates wait a moment for answers that pools hold. Default false. */
  readonly rebuild?: boolean;
  /** A new generation keeps answers of the old one that are not yet on disk. Default false. */
  readonly keepAnswered?: boolean;
}

export interface BatchClaims {
  claim(request: ClaimRequest): Promise<{ readonly epoch: number; readonly placedBefore: ReadonlySet<number> }>;
  /** Tells gates everywhere that nothing more is to be asked of this batch. */
  setState(batchId: string, from: BatchState, to: BatchState): Promise<void>;
  /** Redis came back after the batch was claimed, or while it was: it is to be claimed again. */
  isOfEarlierRedis(batchId: string, incarnation: string): Promise<boolean>;
  /** How often a call was made again because a process died with it; of a row or of a vote. */
  readAskedAgain(batchId: string): Promise<number>;
  /** Drops all keys of a batch that has ended, and of its votes; its hash stays a minute for jobs that are still on their way. */
  forget(batchId: string): Promise<void>;
}

const endedBatchKeptSeconds = 60;

export function createBatchClaims(redis: Redis, names: FleetNames): BatchClaims {
  const script = redisScript(redis, new URL("./claim-batch.lua", import.meta.url), 7);
  return {
    async claim(request) {
      const keys = names.batch(request.batchId);
      const answer = (await script(
        [keys.batch, keys.done, names.openBatches, keys.payloads, keys.moves, keys.calls, keys.results],
        [
          request.batchId,
          request.processId,
          request.lowestEpoch,
          request.generation,
          request.incarnation,
          JSON.stringify(request.models),
          request.storedBitmap,
          request.rebuild === true ? "1" : "0",
          request.keepAnswered === true ? "1" : "0",
        ],
      )) as number[];
      if (request.outputPath !== undefined) {
        const { outputPath } = request;
        const disk = diskOf(dirname(outputPath)) ?? "";
        await redis.hset(keys.batch, { host: hostname(), outputPath, disk });
      }
      const [epoch, ...placedBefore] = answer;
      return { epoch: epoch!, placedBefore: new Set(placedBefore) };
    },
    async setState(batchId, from, to) {
      const votes = names.batch(votesBatchOf(batchId)).batch;
      await redis.hset(names.batch(batchId).batch, "state", moveBatch(from, to));
      if ((await redis.exists(votes)) === 1) await redis.hset(votes, "state", to);
    },
    async isOfEarlierRedis(batchId, incarnation) {
      const claimed = await redis.hget(names.batch(batchId).batch, "incarnation");
      return claimed !== null && incarnation !== "" && claimed !== incarnation;
    },
    async readAskedAgain(batchId) {
      const counts = [batchId, votesBatchOf(batchId)].map((id) => redis.hget(names.batch(id).batch, "askedAgain"));
      return (await Promise.all(counts)).reduce((sum, count) => sum + Number(count ?? 0), 0);
    },
    async forget(batchId) {
      for (const id of [batchId, votesBatchOf(batchId)]) {
        const keys = names.batch(id);
        await redis.unlink(keys.done, keys.payloads, keys.moves, keys.calls, keys.results);
        await redis.srem(names.openBatches, id);
        await redis.expire(keys.batch, endedBatchKeptSeconds);
      }
      // That of votes is their batch's.
      await redis.unlink(names.batch(batchId).spend);
    },
  };
}
