import { type LockAttempt, takeLock } from "../../src/queue/lock-file.ts";

/** A process of its own that takes and releases locks as its parent says. */
let lock: LockAttempt | undefined;
process.on("message", (question: { readonly take?: string }) => {
  if (question.take !== undefined) {
    lock = takeLock(question.take);
    process.send?.(lock.held ? "held" : "refused");
    return;
  }
  if (lock?.held === true) lock.release();
  lock = undefined;
  process.send?.("released");
});
