import { existsSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../job/errors.ts";

const shutDownDeadlineMs = 20_000;

/** True when a server at this socket answers PING; one that is loading its file is waited for. */
export async function answers(socketPath: string): Promise<boolean> {
  for (;;) {
    const reply = await ask(socketPath, "PING");
    if (reply.startsWith("+PONG")) return true;
    if (!reply.startsWith("-LOADING")) return false;
    await sleep(100);
  }
}

/** One inline command on a socket of its own: works before any client library would. */
function ask(socketPath: string, command: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.setTimeout(5_000, () => socket.destroy());
    socket.once("connect", () => socket.write(`${command}\r\n`));
    socket.once("data", (data) => {
      resolve(data.toString());
      socket.destroy();
    });
    socket.once("error", () => resolve(""));
    socket.once("close", () => resolve(""));
  });
}

/** Ends the server at this socket. */
export async function shutDown(socketPath: string): Promise<void> {
  await ask(socketPath, "SHUTDOWN NOSAVE");
  const deadline = performance.now() + shutDownDeadlineMs;
  while (existsSync(socketPath) && (await answers(socketPath))) {
    if (performance.now() > deadline) throw new UserError(`the embedded Redis at ${socketPath} did not shut down`);
    await sleep(20);
  }
}
