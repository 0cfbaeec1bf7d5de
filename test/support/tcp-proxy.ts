import { connect, createServer, type Socket } from "node:net";

/** A way through which connections go, and that can be cut. */
export interface TcpProxy {
  readonly port: number;
  /** Resets what is open and refuses what comes, until `mend()`. */
  cut(): void;
  /** Lets bytes come no further, and says nothing: as a cable that is pulled. */
  swallow(): void;
  mend(): void;
  /** Leads elsewhere from now on; what is open is reset. */
  leadTo(port: number): void;
  close(): Promise<void>;
}

/** Listens on loopback and passes everything on to a port there. */
export async function startTcpProxy(firstTargetPort: number): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let targetPort = firstTargetPort;
  let state: "open" | "cut" | "swallowing" = "open";

  const server = createServer({ noDelay: true }, (near) => {
    if (state === "cut") {
      near.resetAndDestroy();
      return;
    }
    const far = connect({ port: targetPort, host: "127.0.0.1", noDelay: true });
    const pair = [near, far] as const;
    pairs.add(pair);
    for (const [one, other] of [pair, [far, near] as const]) {
      one.on("data", (data) => {
        if (state !== "swallowing") other.write(data);
      });
      one.on("error", () => {});
      one.on("close", () => {
        pairs.delete(pair);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));

  function dropAll(): void {
    for (const [near, far] of pairs) {
      near.resetAndDestroy();
      far.destroy();
    }
  }

  return {
    port: (server.address() as { port: number }).port,
    cut() {
      state = "cut";
      dropAll();
    },
    swallow() {
      state = "swallowing";
    },
    mend() {
      // What was swallowed is lost: such a connection cannot go on.
      if (state === "swallowing") dropAll();
      state = "open";
    },
    leadTo(port) {
      targetPort = port;
      dropAll();
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      dropAll();
      await closed;
    },
  };
}
