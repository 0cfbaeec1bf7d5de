import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { afterTests } from "./clean-up.ts";

/** A reverse proxy on loopback that shows a server below `/fleet`, under a name of its own; returns its URL. */
export async function givenPathProxy(serverUrl: string): Promise<string> {
  const server = createServer((asked, answer) => {
    const { url = "", method, headers } = asked;
    if (!url.startsWith("/fleet/")) {
      answer.writeHead(404).end("nothing but /fleet/ is here");
      return;
    }
    const { hostname, port, host } = new URL(serverUrl);
    const forwarded = { ...headers, host, "x-forwarded-host": headers.host, "x-forwarded-for": "192.0.2.7" };
    const passing = request({ hostname, port, method, path: url.slice("/fleet".length), headers: forwarded });
    passing.on("error", () => answer.destroy());
    passing.on("response", (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    answer.on("close", () => passing.destroy());
    asked.pipe(passing);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  afterTests(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/fleet`;
}
