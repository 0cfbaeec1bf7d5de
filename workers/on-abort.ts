interface Waiting {
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}

const waitingFor = new WeakMap<AbortSignal, Waiting>();

/**
 * Calls back when the signal is aborted, until `forgetAbort` with the same function. Hundreds of calls share a signal, and
 * an EventTarget walks through all its listeners for each that comes or goes: it has one here, while there are calls.
 */
export function onAbort(signal: AbortSignal, callback: () => void): void {
  let waiting = waitingFor.get(signal);
  if (waiting === undefined) {
    const callbacks = new Set<() => void>();
    const listener = (): void => {
      for (const one of [...callbacks]) one();
    };
    waiting = { callbacks, listener };
    waitingFor.set(signal, waiting);
    signal.addEventListener("abort", listener);
  }
  waiting.callbacks.add(callback);
}

export function forgetAbort(signal: AbortSignal, callback: () => void): void {
  const waiting = waitingFor.get(signal);
  if (waiting === undefined || !waiting.callbacks.delete(callback) || waiting.callbacks.size > 0) return;
  waitingFor.delete(signal);
  signal.removeEventListener("abort", waiting.listener);
}
