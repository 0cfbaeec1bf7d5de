/** For one waiter, woken by what happens elsewhere in the process. */
export interface WakeUp {
  wake(): void;
  /** Resolves at the next wake, or after the time; a wake since the last wait counts. */
  wait(timeoutMs: number | undefined): Promise<void>;
}

export function createWakeUp(): WakeUp {
  let isDue = false;
  let resolveWaiting: (() => void) | undefined;
  return {
    wake() {
      isDue = true;
      resolveWaiting?.();
    },
    wait(timeoutMs) {
      return new Promise((resolve) => {
        const end = () => {
          isDue = false;
          resolveWaiting = undefined;
          clearTimeout(timer);
          resolve();
        };
        const timer = timeoutMs === undefined || isDue ? undefined : setTimeout(end, timeoutMs);
        if (isDue) end();
        else resolveWaiting = end;
      });
    },
  };
}
