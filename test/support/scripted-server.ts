import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export type Script = (request: ReceivedRequest, response: ServerResponse) => void;

export interface ScriptedServer {
  readonly origin: string;
  /** What came in since the last `play`. */
  readonly received: readonly ReceivedRequest[];
  /** Connections that were opened since the start. */
  readonly connections: number;
  play(script: Script): void;
  close(): Promise<void>;
}

/** A loopback server that does to each request what the script of the moment says. */
export async function startScriptedServer(): Promise<ScriptedServer> {
  let script: Script = replyJson(404, "{}");
  let received: ReceivedRequest[] = [];
  let connections = 0;
  const server = createServer((incoming, response) => {
    let body = "";
    incoming.setEncoding("utf8");
    incoming.on("data", (chunk: string) => {
      body += chunk;
    });
    incoming.on("end", () => {
      const { method = "", url: path = "", headers } = incoming;
      const request = { method, path, headers, body };
      received.push(request);
      script(request, response);
    });
  });
  server.on("connection", () => connections++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get received() {
      return received;
    },
    get connections() {
      return connections;
    },
    play(next) {
      script = next;
      received = [];
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

export function reply(status: number, headers: Record<string, string>, body: string): Script {
  return (_request, response) => {
    response.writeHead(status, headers);
    response.end(body);
  };
}

export function replyJson(status: number, body: string, headers: Record<string, string> = {}): Script {
  return reply(status, { "content-type": "application/json", ...headers }, body);
}
