import type { ServerResponse } from "node:http";
import { type SimulatedFault, sendJson } from "./simulated-answers.ts";

type Body = Readonly<Record<string, unknown>>;

/** What is written one after the other, and as what. */
interface Pieces {
  readonly contentType: string;
  readonly texts: readonly string[];
}

const event = (data: object): string => `data: ${JSON.stringify(data)}\n\n`;

/**
 * Sends an answer of a SIMULATED backend at once, or word by word in the dialect that it is in.
 * @param fault then the connection is reset after the first word.
 */
export function sendAnswer(response: ServerResponse, answer: string, stream: unknown, fault?: SimulatedFault): void {
  if (stream === true) sendInPieces(response, JSON.parse(answer), fault !== undefined);
  else sendJson(response, 200, answer);
}

function sendInPieces(response: ServerResponse, body: Body, breaksOff: boolean): void {
  const { contentType, texts } = Array.isArray(body.choices)
    ? chunksOf(body)
    : isMessage(body)
      ? eventsOf(body)
      : linesOf(body);
  response.writeHead(200, { "content-type": contentType });
  if (breaksOff) {
    response.write(texts.slice(0, 2).join(""), () => response.socket?.resetAndDestroy());
    return;
  }
  for (const text of texts) response.write(text);
  response.end();
}

const isMessage = ({ type }: Body): boolean => type === "message";
const wordsOf = (text: string): string[] => text.match(/\s*\S+\s*$|\s*\S+/g) ?? [];

function chunksOf({ choices, usage, ...head }: Body): Pieces {
  const { message } = (choices as { message: { content: string } }[])[0]!;
  const chunk = (delta: object, finish_reason: string | null = null) =>
    event({ ...head, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason }] });
  const deltas = wordsOf(message.content).map((content) => chunk({ content }));
  const end = event({ ...head, object: "chat.completion.chunk", choices: [], usage });
  return {
    contentType: "text/event-stream",
    texts: [chunk({ role: "assistant", content: "" }), ...deltas, chunk({}, "stop"), end, "data: [DONE]\n\n"],
  };
}

function eventsOf({ content, stop_reason, usage, ...message }: Body): Pieces {
  const [{ text }] = content as [{ text: string }];
  const deltas = wordsOf(text).map((word) =>
    event({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: word } }),
  );
  const start = event({ type: "message_start", message: { ...message, content: [], usage } });
  const end = event({ type: "message_delta", delta: { stop_reason }, usage });
  return { contentType: "text/event-stream", texts: [start, ...deltas, end, event({ type: "message_stop" })] };
}

function linesOf({ message, ...last }: Body): Pieces {
  const { content } = message as { content: string };
  const lines = wordsOf(content).map((word) => ({ message: { role: "assistant", content: word }, done: false }));
  const all = [...lines, { ...last, message: { role: "assistant", content: "" } }];
  return { contentType: "application/x-ndjson", texts: all.map((line) => `${JSON.stringify(line)}\n`) };
}
