const callbacksOf = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls back when the signal is aborted, until `forgetAbort` with the same function. Hundreds of calls share a signal, and
 * an EventTarget walks through all its listeners for each that comes or goes: it has one here, whatever the calls.
 */
export function onAbort(signal: AbortSignal, callback: () => void): void {
  let callbacks = callbacksOf.get(signal);
  if (callbacks === undefined) {
    const all = new Set<() => void>();
    callbacks = all;
    callbacksOf.set(signal, all);
    signal.addEventListener("abort", () => {
      for (const one of [...all]) one();
    });
  }
  callbacks.add(callback);
}

export function forgetAbort(signal: AbortSignal, callback: () => void): void {
  callbacksOf.get(signal)?.delete(callback);
}
