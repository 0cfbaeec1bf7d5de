/**
 * A SIMULATED OpenAI-compatible server that answers at once, on bare sockets: it shares the machine with the sides that
 * are measured, and what it uses itself is missing there (a third of what the tests' server on node:http uses). It knows
 * requests with `content-length` only and takes its clients to be well-behaved.
 *   node scripts/bench/instant-server.ts     prints {"port", "baseUrl"}
 */
import { type AddressInfo, createServer, type Socket } from "node:net";
import { completionOf, defaultAnswer, modelList } from "../../test/support/simulated-answers.ts";

let requests = 0;
let firstAtMs = 0;
let lastAtMs = 0;

const headEnd = "\r\n\r\n";

function answer(head: string, body: string): string {
  if (head.startsWith("POST /v1/chat/completions ")) {
    lastAtMs = performance.now();
    if (requests++ === 0) firstAtMs = lastAtMs;
    const key = /#([^\s"\\]+)/.exec(body)?.[1] ?? "";
    const request = { key, ask: 1, request: requests, body: { model: "simulated-model" }, headers: {} };
    return completionOf(request, defaultAnswer(request));
  }
  if (head.startsWith("GET /simulated/stats ")) return JSON.stringify({ requests, spanMs: lastAtMs - firstAtMs });
  if (head.startsWith("POST /simulated/reset ")) {
    requests = 0;
    return "{}";
  }
  return modelList(["simulated-model"]);
}

function serve(socket: Socket): void {
  let received = "";
  socket.setNoDelay(true);
  socket.setEncoding("latin1");
  socket.on("error", () => socket.destroy());
  socket.on("data", (text: string) => {
    received += text;
    for (;;) {
      const headLength = received.indexOf(headEnd);
      if (headLength === -1) return;
      const head = received.slice(0, headLength);
      const bodyStart = headLength + headEnd.length;
      const bodyEnd = bodyStart + Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      if (received.length < bodyEnd) return;
      const answered = answer(head, received.slice(bodyStart, bodyEnd));
      received = received.slice(bodyEnd);
      // Keys are ASCII, so characters are bytes.
      socket.write(
        `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${answered.length}${headEnd}${answered}`,
        "latin1",
      );
    }
  });
}

const server = createServer(serve).listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  console.log(JSON.stringify({ port, baseUrl: `http://127.0.0.1:${port}/v1` }));
});
