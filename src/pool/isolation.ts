/** What runs here runs together with others, or with nobody else in this process. */
export interface Isolation {
  together<Value>(action: () => Promise<Value>): Promise<Value>;
  /** Begins when all that runs has ended, one after the other; what comes meanwhile waits. */
  alone<Value>(action: () => Promise<Value>): Promise<Value>;
  /** Why all else waits here, while something runs alone or is to. */
  waitReason(): string | undefined;
}

const aloneReason = "a row that may have ended its process is asked with nothing else in flight here";

/**
 * Keeps a row that may kill its process away from all others: what is in flight beside it would be taken down with it,
 * and be suspected in its place.
 */
export function createIsolation(): Isolation {
  let running = 0;
  let wantAlone = 0;
  let lastAlone: Promise<unknown> = Promise.resolve();
  let noteQuiet = () => {};
  let open: PromiseWithResolvers<void> | undefined;

  return {
    waitReason: () => (open === undefined ? undefined : aloneReason),
    async together(action) {
      while (open !== undefined) await open.promise;
      running++;
      try {
        return await action();
      } finally {
        running--;
        if (running === 0) noteQuiet();
      }
    },
    async alone(action) {
      wantAlone++;
      open ??= Promise.withResolvers();
      const before = lastAlone;
      const ended = Promise.withResolvers<void>();
      lastAlone = ended.promise;
      try {
        await before;
        if (running > 0) {
          await new Promise<void>((resolve) => {
            noteQuiet = resolve;
          });
        }
        return await action();
      } finally {
        ended.resolve();
        wantAlone--;
        if (wantAlone === 0) {
          open?.resolve();
          open = undefined;
        }
      }
    },
  };
}
