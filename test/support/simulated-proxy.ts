import { createServer, request as httpRequest } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";

/** A SIMULATED proxy on loopback, which leads every host to one port of this machine. */
export interface SimulatedProxy {
  /** `host:port`. */
  readonly address: string;
  /** What it was asked for: `CONNECT host:port`, or `GET http://host/path`, with the word of who asked. */
  readonly asked: readonly { readonly what: string; readonly authorization: string | undefined }[];
  close(): Promise<void>;
}

/** @param refusal a status that it answers instead of doing its work. */
export async function startSimulatedProxy(targetPort: number, refusal?: number): Promise<SimulatedProxy> {
  const asked: { what: string; authorization: string | undefined }[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((incoming, response) => {
    asked.push({ what: `${incoming.method} ${incoming.url}`, authorization: incoming.headers["proxy-authorization"] });
    if (refusal !== undefined) return response.writeHead(refusal).end();
    const { pathname, search } = new URL(incoming.url ?? "");
    const { "proxy-authorization": _forTheProxyAlone, ...headers } = incoming.headers;
    const onward = httpRequest(
      { port: targetPort, path: pathname + search, method: incoming.method, headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    return incoming.pipe(onward);
  });
  server.on("connect", (incoming, socket: Socket) => {
    asked.push({ what: `CONNECT ${incoming.url}`, authorization: incoming.headers["proxy-authorization"] });
    if (refusal !== undefined) return socket.end(`HTTP/1.1 ${refusal} Refused\r\n\r\n`);
    const onward = connect(targetPort, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connected\r\n\r\n");
      socket.pipe(onward).pipe(socket);
    });
    keep(onward);
    return socket;
  });
  server.on("connection", keep);
  function keep(socket: Socket): void {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  }
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
