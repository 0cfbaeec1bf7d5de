/** What aborts the calls of a batch; calls of one batch share a signal, as one for each call costs 2 µs. */
export interface BatchSignals {
  /** For a call that begins; to be given back when it has ended. */
  enter(batchId: string): AbortSignal;
  leave(batchId: string, signal: AbortSignal): void;
  /** Aborts the calls in flight of one batch, or all. Calls that begin later are not concerned. */
  abort(batchId?: string): void;
}

export function createBatchSignals(): BatchSignals {
  const open = new Map<string, { readonly controller: AbortController; calls: number }>();
  return {
    enter(batchId) {
      let batch = open.get(batchId);
      if (batch === undefined) {
        batch = { controller: new AbortController(), calls: 0 };
        open.set(batchId, batch);
      }
      batch.calls++;
      return batch.controller.signal;
    },
    leave(batchId, signal) {
      const batch = open.get(batchId);
      if (batch?.controller.signal === signal && --batch.calls === 0) open.delete(batchId);
    },
    abort(batchId) {
      for (const [id, { controller }] of open) {
        if (batchId !== undefined && id !== batchId) continue;
        open.delete(id);
        controller.abort();
      }
    },
  };
}
