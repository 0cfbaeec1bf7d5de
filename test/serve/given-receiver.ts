import { createServer, type IncomingHttpHeaders } from "node:http";
import { listen } from "./given-guarded.ts";

export interface ReceivedEvent {
  readonly path: string;
  readonly headers: IncomingHttpHeaders & Record<string, string>;
  readonly body: string;
}

/** A receiver of webhooks on loopback, which answers as told and keeps what it was sent. */
export interface Receiver {
  readonly url: string;
  readonly port: number;
  readonly received: readonly ReceivedEvent[];
  /** How the next requests are answered, in turn; after them with 204. */
  answerWith(...statuses: number[]): void;
}

export async function givenReceiver(): Promise<Receiver> {
  const received: ReceivedEvent[] = [];
  let statuses: number[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += chunk;
    received.push({ path: request.url ?? "", headers: request.headers as ReceivedEvent["headers"], body });
    const status = statuses.shift() ?? 204;
    // More than anybody should read, and a way that nobody should go.
    response.writeHead(status, { location: "/elsewhere" });
    response.end(status === 204 ? undefined : "x".repeat(200_000));
  });
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}/hook?key=of-the-receiver`,
    port,
    received,
    answerWith(...next) {
      statuses = next;
    },
  };
}
