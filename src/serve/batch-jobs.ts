import { type Job, Worker } from "bullmq";
import type { Fleet } from "../fleet.ts";
import { stallOptions } from "../pool/run-pool.ts";
import { batchesQueue } from "../queue/names.ts";
import type { BatchRecord } from "./batch-record.ts";

/** Each batch as a job of the queue `batches`, active while it runs: what Bull Board shows of it. */
export interface BatchJobs {
  /** Makes sure of its job, also after Redis has lost it, and brings the job's labels up to date. */
  show(record: BatchRecord): void;
  close(): Promise<void>;
}

const finishedJobsKept = 1_000;
const mostBatches = 10_000;
const lookEveryMs = 1_000;

/**
 * The job only follows: whichever server picks it up holds it until the batch has ended, wherever that runs. A server
 * that dies loses the job's lock, and another one picks it up.
 * @param isFinal whether that batch has ended, as the disk says.
 */
export function openBatchJobs(fleet: Fleet, isFinal: (id: string) => boolean): BatchJobs {
  const queue = fleet.queues.of(batchesQueue);
  const waiting = new Set<() => void>();
  const latest = new Map<string, BatchRecord>();
  const showing = new Set<string>();

  async function follow(job: Job): Promise<void> {
    const { batch } = job.data as { readonly batch: string };
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => {
      if (isFinal(batch)) resolve();
    };
    waiting.add(look);
    look();
    await promise;
    waiting.delete(look);
  }

  const worker = new Worker(batchesQueue, follow, {
    connection: fleet.redis,
    prefix: fleet.names.queuePrefix,
    concurrency: mostBatches,
    ...stallOptions,
    removeOnComplete: { count: finishedJobsKept },
    removeOnFail: { count: finishedJobsKept },
  });
  worker.on("error", () => {});
  const looking = setInterval(() => {
    for (const look of waiting) look();
  }, lookEveryMs);
  looking.unref();

  /** One at a time for each batch, so that what is shown last is the newest. */
  async function showLatest(id: string): Promise<void> {
    if (showing.has(id)) return;
    showing.add(id);
    for (let record = latest.get(id); record !== undefined; record = latest.get(id)) {
      latest.delete(id);
      await put(record).catch(() => {});
    }
    showing.delete(id);
  }

  async function put(record: BatchRecord): Promise<void> {
    const known = await queue.getJob(record.id);
    if (known === undefined) await queue.add("batch", labelsOf(record), { jobId: record.id });
    else await known.updateData(labelsOf(record));
  }

  return {
    show(record) {
      latest.set(record.id, record);
      void showLatest(record.id);
    },
    async close() {
      clearInterval(looking);
      await worker.close(true);
    },
  };
}

/** No names of files and no metadata: they may be private. */
function labelsOf({ id, api, status, endpoint, counts, weight, paused }: BatchRecord) {
  const { total, completed, failed } = counts;
  return { batch: id, api, status, endpoint, rows: total, completed, failed, weight, paused };
}
