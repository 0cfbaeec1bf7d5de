import type { ModelConfig } from "../config/config.ts";
import type { JobLabels } from "../job/batch.ts";
import type { Gate, Verdict } from "./gate.ts";
import { horizonMs } from "./pace.ts";
import type { TierPool } from "./tier-pool.ts";

/**
 * Asks the gate for one row. A row whose limits let it wait no longer than the horizon waits here and asks again at its
 * time; one that must wait longer steps aside with that verdict.
 * @param stood its job has stepped aside before.
 */
export async function passGate(
  job: JobLabels,
  model: ModelConfig,
  callNumber: number,
  stood: boolean,
  { pace, pause }: Pick<TierPool, "pace" | "pause">,
  { gate, hasBudget }: { readonly gate: Gate; readonly hasBudget: (batchId: string) => boolean },
): Promise<Verdict> {
  for (let inLine = stood; ; inLine = true) {
    const terms = pace.termsOf(model, job.task, inLine, hasBudget(job.batch));
    if (terms?.lease !== undefined) terms.lease.held++;
    const verdict = await gate(job, callNumber, terms);
    if (verdict.kind === "admitted") return verdict;
    if (terms?.lease !== undefined) terms.lease.held--;
    if (verdict.kind !== "paced") return verdict;
    const { delayMs, isPause, reason } = verdict;
    pace.noteWait(terms!.scope, reason, delayMs);
    if (isPause && delayMs > horizonMs) pause(model.model, reason, delayMs);
    if (delayMs > horizonMs || !(await pace.wait(delayMs))) return verdict;
  }
}
