import type { Endpoint } from "../../workers/adapter.ts";

/** An endpoint whose connection can be changed for another one, such as one with a new key, while it is in use. */
export interface ReplaceableEndpoint extends Endpoint {
  /** From now on the new one is asked; the old one is closed when its calls have ended. */
  replace(next: Endpoint): void;
}

interface Connection {
  readonly endpoint: Endpoint;
  calls: number;
  replaced: boolean;
}

export function replaceableEndpoint(first: Endpoint): ReplaceableEndpoint {
  const open = (endpoint: Endpoint): Connection => ({ endpoint, calls: 0, replaced: false });
  let current = open(first);
  const closings = new Set<Promise<void>>();
  let closed = false;

  function closeWhenIdle(connection: Connection): void {
    if (!connection.replaced || connection.calls > 0) return;
    const closing = connection.endpoint.close().finally(() => closings.delete(closing));
    closings.add(closing);
  }

  return {
    async call(call) {
      const connection = current;
      connection.calls++;
      try {
        const outcome = await connection.endpoint.call(call);
        // It says nothing of the new key.
        if (connection.replaced && outcome.kind === "unavailable" && outcome.reason === "bad-key") {
          return { kind: "cancelled", message: "the key was replaced during this call" };
        }
        return outcome;
      } finally {
        connection.calls--;
        closeWhenIdle(connection);
      }
    },
    ...(first.pull === undefined
      ? {}
      : { pull: (model, onProgress, signal) => current.endpoint.pull!(model, onProgress, signal) }),
    probe: (signal) => current.endpoint.probe(signal),
    gauges: async (signal) => (current.endpoint.gauges === undefined ? "none" : current.endpoint.gauges(signal)),
    replace(next) {
      const old = current;
      current = open(next);
      old.replaced = true;
      closeWhenIdle(old);
      if (closed) void next.close();
    },
    async close() {
      closed = true;
      await Promise.all([current.endpoint.close(), ...closings]);
    },
  };
}
