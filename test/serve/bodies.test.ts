import { connect, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { afterTests } from "../support/clean-up.ts";
import { until } from "../support/until.ts";
import { givenGuarded } from "./given-guarded.ts";

/** What the server says to these bytes until it closes the connection. */
interface Conversation {
  readonly socket: Socket;
  heard(): string;
  readonly closed: Promise<void>;
}

function converse(port: number, bytes: string): Conversation {
  const socket = connect(port, "127.0.0.1");
  afterTests(() => socket.destroy());
  let heard = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    heard += text;
  });
  socket.on("error", () => {});
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.write(bytes);
  return { socket, heard: () => heard, closed };
}

const post = (path: string, length: number) =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n`;
const patience = { lookEveryMs: 50, leastBytes: 100, longestMs: 400, lingerMs: 100 };

describe.concurrent("a client that takes its time", () => {
  it("is cut off when it does not say what it wants", async () => {
    const { port } = await givenGuarded({ withTokens: false, headersTimeoutMs: 200 });
    const { closed, heard } = converse(port, "GET /v1/files HTTP/1.1\r\nX-Slow: ");
    await closed;
    expect(heard()).toContain("408 Request Timeout");
    await converse(port, "").closed;
  });

  it("is cut off when its body comes a byte now and then", async () => {
    const { port } = await givenGuarded({ withTokens: false, patience });
    const { closed, heard, socket } = converse(port, post("/v1/files", 1_000));
    const drip = setInterval(() => socket.write("x"), 20);
    await closed;
    clearInterval(drip);
    expect(heard()).toContain("408 Request Timeout");
    expect(heard()).toContain("the body came too slowly");
  });

  it.each([
    ["too large", {}, 413],
    ["one upload too many", {}, 429],
    ["without a token", { withTokens: true }, 401],
  ] as const)("is cut off soon after the answer when its body is refused as %s", async (_why, options, status) => {
    const limits = { maxFileBytes: 1_000_000, maxUploadsAtOnce: 1 };
    const { port, ask } = await givenGuarded({ withTokens: false, ...options, patience, serve: { limits } });
    const drips: NodeJS.Timeout[] = [];
    const drip = (length: number): Conversation => {
      const conversation = converse(port, post("/v1/files", length));
      drips.push(setInterval(() => conversation.socket.write("x".repeat(200)), 20));
      return conversation;
    };
    if (status === 429) {
      drip(900_000);
      await until(
        "an upload to be under way",
        async () => (await ask("POST", "/v1/files", { body: "y" })).status === 429,
      );
    }
    const { closed, heard } = drip(status === 413 ? 2_000_000 : 900_000);
    await closed;
    for (const timer of drips) clearInterval(timer);
    expect(heard()).toContain(` ${status} `);
  });

  it("may upload for as long as enough comes, where any other body must be whole in time", async () => {
    const { port } = await givenGuarded({ withTokens: false, patience });
    const upload = converse(port, post("/v1/files", 20_000));
    const other = converse(port, post("/v1/chat/completions", 20_000));
    let sent = 0;
    const flow = setInterval(() => {
      sent += 200;
      for (const { socket } of [upload, other]) socket.write("x".repeat(200));
      if (sent === 20_000) clearInterval(flow);
    }, 10);
    await other.closed;
    expect(other.heard()).toContain("408");
    await until("the upload to be whole", () => upload.heard().includes('"bytes":20000'));
  });
});

describe.concurrent("a body", () => {
  it("that says to be too large is refused before it is read", async () => {
    const { port, ask } = await givenGuarded({
      withTokens: false,
      serve: { limits: { maxBodyBytes: 10, maxFileBytes: 20 } },
    });
    expect((await ask("POST", "/v1/batches", { body: "x".repeat(10) })).status).toBe(200);
    expect((await ask("POST", "/v1/batches", { body: "x".repeat(11) })).text).toContain("more than 10 bytes");
    // A form has its own bytes around the file, which is measured when it comes.
    expect((await ask("POST", "/v1/files", { body: "x".repeat(1_000) })).status).toBe(200);
    const { heard } = converse(port, post("/v1/files", 100_000));
    await until("the refusal", () => heard().includes("413"));
  });

  it("of an upload waits its turn when too many are under way", async () => {
    const { port, ask } = await givenGuarded({ withTokens: false, serve: { limits: { maxUploadsAtOnce: 1 } } });
    const first = converse(port, post("/v1/files", 2));
    first.socket.write("x");
    await until(
      "the second upload to be refused",
      async () => (await ask("POST", "/v1/files", { body: "y" })).status === 429,
    );
    expect((await ask("POST", "/v1/batches", { body: "y" })).status).toBe(200);
    first.socket.write("x");
    await until("the first to be whole", () => first.heard().includes('"bytes":2'));
    await until("the second to be taken", async () => (await ask("POST", "/v1/files", { body: "y" })).status === 200);
  });
});
