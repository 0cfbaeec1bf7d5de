import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";

/** What went through to a server, chats only. */
export interface CountedCalls {
  /** Of each answer, when it came and its status. */
  readonly answers: readonly { readonly atMs: number; readonly status: number }[];
  readonly lastRequestMs: number;
  readonly inFlight: number;
}

/** Passes requests on to a server on this machine and counts them: real servers do not say what they were sent. */
export async function startCountingProxy(targetUrl: string) {
  const target = new URL(targetUrl);
  const answers: { atMs: number; status: number }[] = [];
  let [inFlight, lastRequestMs] = [0, 0];
  const server = createServer({ keepAliveTimeout: 60_000, noDelay: true }, (near, toNear) => {
    const isChat = near.url?.endsWith("/chat/completions") || near.url?.endsWith("/api/chat");
    if (isChat) {
      inFlight++;
      lastRequestMs = performance.now();
      toNear.once("close", () => inFlight--);
    }
    const options = { host: target.hostname, port: target.port, path: near.url, method: near.method };
    const far = request({ ...options, headers: { ...near.headers, host: target.host } }, (answer) => {
      const status = answer.statusCode ?? 0;
      toNear.writeHead(status, answer.headers);
      answer.pipe(toNear);
      if (isChat) answer.once("end", () => answers.push({ atMs: performance.now(), status }));
    });
    far.once("error", () => toNear.destroy());
    near.pipe(far);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    counted: (): CountedCalls => ({ answers, lastRequestMs, inFlight }),
    close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()),
  };
}
