import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import type { Job, JobType, Queue } from "bullmq";
import { messageOf, UserError } from "../job/errors.ts";
import type { Batches } from "./batches.ts";
import type { ReadRowFacts } from "./row-facts.ts";
import { failedRowsOf, labelsOf, shownJob } from "./shown-job.ts";

export interface BoardQueueOptions {
  readonly queue: Queue;
  readonly readOnlyMode: boolean;
  readonly batches: Pick<Batches, "get" | "retryRow">;
  readonly factsOf: ReadRowFacts;
  /** Why its jobs wait, if they do. */
  readonly waitReason: () => string | undefined;
}

/** An option that Bull Board's types do not know: what was answered is not offered to be asked again. */
const noRetryOfAnswers = { allowCompletedRetries: false };

/** A queue of rows as Bull Board sees it: jobs without text, retried as the fleet retries rows. */
export function boardQueue(options: BoardQueueOptions): BullMQAdapter {
  const { queue, readOnlyMode, factsOf, waitReason } = options;
  const adapter = new BullMQAdapter(queue, { readOnlyMode, ...noRetryOfAnswers });

  async function dress(jobs: readonly (Job | undefined)[]): Promise<Job[]> {
    const there = jobs.filter((job) => job !== undefined);
    const facts = await factsOf(there.map(labelsOf));
    return there.map((job, at) => {
      const whole = job.toJSON();
      const retryRaw = job.retry.bind(job);
      const shown = shownJob(whole, facts[at], isWaiting(job) ? waitReason() : undefined);
      job.toJSON = () => shown as typeof whole;
      job.retry = (state) => (labelsOf(whole) === undefined ? retryRaw(state) : retryRows(job, options));
      return job;
    });
  }

  adapter.getJob = async (id) => (await dress([await queue.getJob(id)]))[0];
  adapter.getJobs = async (statuses, start, end) => dress(await queue.getJobs(statuses as JobType[], start, end));
  adapter.getDescription = () => waitReason() ?? "";
  // Producers and workers of others may log what they like.
  adapter.getJobLogs = async () => [];
  return adapter;
}

/** The queue in which each batch is a job: its labels are as they are meant to be seen, and nothing can be done there. */
export function batchesBoardQueue(queue: Queue): BullMQAdapter {
  const adapter = new BullMQAdapter(queue, { readOnlyMode: true });
  adapter.setFormatter("name", ({ data }: Job) => `${data.batch} · ${data.status}`);
  return adapter;
}

/** Not yet claimed, or it has stepped aside. */
const isWaiting = ({ finishedOn, processedOn, delay }: Job): boolean =>
  finishedOn === undefined && (processedOn === undefined || delay > 0);

/**
 * The fleet's retry of each row of a job that failed. What failed is a row, read anew from its input; the old job would
 * find nothing to ask, so it goes.
 */
async function retryRows(job: Job, { batches }: BoardQueueOptions): Promise<void> {
  const { batch } = labelsOf(job)!;
  const rows = failedRowsOf(job.failedReason ?? "");
  if (rows.length === 0) throw refusal("no row of this job has failed, and what was answered is not asked again");
  if (batches.get(batch) === undefined) {
    throw refusal(
      `${batch} is no batch of this server: the command that runs it asks its failed rows again with --retry-failed`,
    );
  }
  try {
    for (const row of rows) await batches.retryRow(batch, row);
  } catch (error) {
    throw error instanceof UserError ? refusal(messageOf(error)) : error;
  }
  await job.remove();
}

/** Bull Board answers with this status and shows the words. */
const refusal = (message: string): Error => Object.assign(new UserError(message), { statusCode: 409 });
