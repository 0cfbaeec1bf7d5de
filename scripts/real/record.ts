import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";

/** A proxy on loopback that keeps what it hands on, so that what is recorded is what the adapter really got. */
export async function startRecorder(
  target: URL,
  folder: string,
): Promise<{ url: string; title: (name: string | undefined) => void; close: () => void }> {
  let title: string | undefined;
  let count = 0;
  mkdirSync(folder, { recursive: true });
  const server = createServer((incoming, outgoing) => {
    const { method = "GET", url: path = "/", headers } = incoming;
    const number = count++;
    const upstream = httpRequest({ host: target.hostname, port: target.port, method, path, headers }, (response) => {
      const chunks: Buffer[] = [];
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        outgoing.write(chunk);
      });
      response.on("end", () => {
        outgoing.end();
        if (title === undefined) return;
        const kept = Object.entries(response.headers).filter(([key]) => /^(content-type|retry-after)/.test(key));
        const body = Buffer.concat(chunks).toString("utf8").replaceAll(homedir(), "/home/user");
        const exchange = {
          request: { method, path },
          response: { status: response.statusCode, headers: Object.fromEntries(kept), body },
        };
        const file = join(folder, `${title.replaceAll(" ", "-")}${number > 0 ? `.${number + 1}` : ""}.json`);
        writeFileSync(file, `${JSON.stringify(exchange, null, 2)}\n`);
      });
      response.on("error", () => outgoing.destroy());
    });
    upstream.on("error", () => outgoing.destroy());
    outgoing.on("close", () => upstream.destroy());
    incoming.pipe(upstream);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${target.pathname}`,
    title(name) {
      title = name;
      count = 0;
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
