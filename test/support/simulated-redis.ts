import { once } from "node:events";
import { createServer } from "node:net";
import { afterTests } from "./clean-up.ts";
import { freePort } from "./free-port.ts";

/** A SIMULATED Redis that answers INFO with this text and everything else with OK. Returns its URL. */
export async function simulatedRedis(info: string): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (data) => {
      for (const command of data.toString().split(/(?=\*\d+\r\n)/)) {
        socket.write(/\r\ninfo\r\n/i.test(command) ? `$${Buffer.byteLength(info)}\r\n${info}\r\n` : "+OK\r\n");
      }
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  afterTests(() => void server.close());
  return `redis://127.0.0.1:${(server.address() as { port: number }).port}`;
}

/** A SIMULATED Redis that answers its own machine only: it says so and hangs up. Returns its URL. */
export async function protectedRedis(): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.end(
      "-DENIED Redis is running in protected mode because protected mode is enabled and no password is set\r\n",
    );
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  afterTests(() => void server.close());
  return `redis://127.0.0.1:${(server.address() as { port: number }).port}`;
}

/** A URL at which nothing listens. */
export async function deadRedisUrl(): Promise<string> {
  return `redis://127.0.0.1:${await freePort()}`;
}
