import { say } from "./say.ts";

/** Told of the first SIGINT or SIGTERM, and of each later one, until the handlers are removed by what it returns. */
export function onStopSignals(first: () => void, second: () => void): () => void {
  let count = 0;
  const onSignal = () => {
    count++;
    if (count === 1) first();
    else second();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, onSignal);
  return () => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, onSignal);
  };
}

const defaultGraceMs = 30_000;

/**
 * Resolves at the first SIGINT or SIGTERM. What is in flight then has its grace: at its end, or at a second signal, it is
 * handed back. To be told, by what it resolves with, when nothing is in flight any more.
 */
export async function untilStopped(graceMs: number = defaultGraceMs, handBack: () => void): Promise<() => void> {
  const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
  const removeHandlers = onStopSignals(stop, handBack);
  await stopped;
  say(`stopping: what is in flight has ${graceMs / 1_000} s to end; a second signal hands it back at once`);
  const graceEnd = setTimeout(handBack, graceMs);
  return () => {
    clearTimeout(graceEnd);
    removeHandlers();
  };
}
