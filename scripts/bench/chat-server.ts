import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A SIMULATED server in this process, whose chats end as a bench says; it knows one model, `m`. */
export interface ChatServer {
  readonly port: number;
  readonly baseUrl: string;
  close(): void;
}

/** @param onChat is given a chat's whole request as text, and ends its response. */
export async function startChatServer(onChat: (text: string, response: ServerResponse) => void): Promise<ChatServer> {
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (part) => {
      text += part;
    });
    request.on("end", () => {
      if (request.method === "GET") response.end('{"object":"list","data":[{"id":"m"}]}');
      else onChat(text, response);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    baseUrl: `http://127.0.0.1:${port}/v1`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

export function chatAnswer(content: string, inputTokens: number, outputTokens: number): string {
  const message = { role: "assistant", content };
  const usage = {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
  };
  return JSON.stringify({ model: "m", choices: [{ index: 0, message, finish_reason: "stop" }], usage });
}
