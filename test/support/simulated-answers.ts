import type { IncomingMessage, ServerResponse } from "node:http";

/** How a SIMULATED backend ends a request that is not simply answered. */
export type SimulatedFault =
  /** Any status, headers and body. */
  | {
      readonly kind: "status";
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body?: string;
    }
  /** The connection is reset before a byte of the answer. */
  | { readonly kind: "reset" }
  /** Headers and half a body, then the connection is reset. */
  | { readonly kind: "reset-in-body" }
  /** Nothing is ever answered. */
  | { readonly kind: "stall" }
  /** Headers are sent, the body never comes. */
  | { readonly kind: "stall-after-headers" }
  /** A captive portal: HTML with status 200. */
  | { readonly kind: "html" };

export interface SimulatedRequest {
  /** The first `#key` in the last message that has one, or "". */
  readonly key: string;
  /** How often this key has been asked, this time included. */
  readonly ask: number;
  /** Number of this request, from 1. */
  readonly request: number;
  readonly body: Record<string, unknown>;
  readonly headers: IncomingMessage["headers"];
}

export interface SimulatedBehaviour {
  /** Median service time. Default 0: answered in the same turn. */
  readonly latencyMs?: number;
  /** With more requests at work than this, each takes longer, so that throughput falls. Default: it never does. */
  readonly knee?: number;
  /** Spread of the lognormal service time. Default 0: always the median. */
  readonly sigma?: number;
  /** Requests beyond these wait in the server, first come first served. Default unbounded. */
  readonly slots?: number;
  /** The text of an answer, or JSON of the vectors of embeddings. Default `answer to KEY`. */
  readonly answer?: (request: SimulatedRequest) => string;
  /** A fault instead of an answer, or undefined; a constant fault goes for every request. */
  readonly fault?: SimulatedFault | ((request: SimulatedRequest) => SimulatedFault | undefined) | undefined;
  /** Models that `/v1/models` lists. Default `["simulated-model"]`. */
  readonly models?: readonly string[];
}

export function sendJson(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  response.end(text);
}

export function misbehave(fault: SimulatedFault, response: ServerResponse): void {
  switch (fault.kind) {
    case "status":
      response.writeHead(fault.status, { "content-type": "application/json", ...fault.headers });
      response.end(
        fault.body ?? JSON.stringify({ error: { message: `simulated ${fault.status}`, type: "simulated" } }),
      );
      return;
    case "html":
      response.writeHead(200, { "content-type": "text/html" });
      response.end("<html><body>Please log in</body></html>");
      return;
    case "reset":
      response.socket?.resetAndDestroy();
      return;
    case "reset-in-body":
      response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
      response.write('{"choices":[', () => response.socket?.resetAndDestroy());
      return;
    case "stall":
      return;
    case "stall-after-headers":
      response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
      response.flushHeaders();
      return;
  }
}

/** The first word that starts with `#` in the last message (or text) that has one. */
export function keyOf(body: Record<string, unknown>): string {
  const asked = body.messages ?? body.input ?? body.prompt ?? [];
  const pieces = (Array.isArray(asked) ? asked : [asked]) as readonly (string | { content?: unknown })[];
  for (const piece of pieces.toReversed()) {
    const content = typeof piece === "object" ? piece.content : piece;
    const text = typeof content === "string" ? content : JSON.stringify(content ?? "");
    const [, key] = /#(\S+)/.exec(text) ?? [];
    if (key !== undefined) return key;
  }
  return "";
}

export const defaultAnswer = ({ key }: SimulatedRequest): string => `answer to ${key}`;

export function completionOf({ request, body }: SimulatedRequest, text: string): string {
  return JSON.stringify({
    id: `chatcmpl-${request}`,
    object: "chat.completion",
    created: 1_700_000_000,
    model: body.model,
    choices: [{ index: 0, message: { role: "assistant", content: text }, logprobs: null, finish_reason: "stop" }],
    usage: { prompt_tokens: 20, completion_tokens: 5, total_tokens: 25 },
  });
}

/** The answer of `/v1/completions`. */
export function textCompletionOf({ request, body }: SimulatedRequest, text: string): string {
  return JSON.stringify({
    id: `cmpl-${request}`,
    object: "text_completion",
    created: 1_700_000_000,
    model: body.model,
    choices: [{ index: 0, text, logprobs: null, finish_reason: "stop" }],
    usage: { prompt_tokens: 20, completion_tokens: 5, total_tokens: 25 },
  });
}

/** The answer of `/v1/embeddings`: those vectors if it is a list of them, else two numbers for each text. */
export function embeddingsOf({ body }: SimulatedRequest, answer = ""): string {
  const texts = Array.isArray(body.input) ? body.input : [body.input];
  const vectors: unknown[] = answer.startsWith("[[")
    ? JSON.parse(answer)
    : texts.map((text, index) => [index, String(text).length]);
  const data = vectors.map((embedding, index) => ({ object: "embedding", index, embedding }));
  const usage = { prompt_tokens: 20, total_tokens: 20 };
  return JSON.stringify({ object: "list", data, model: body.model, usage });
}

/** The answer of `/v1/responses`, with what a model has thought before it. */
export function responseOf({ request, body }: SimulatedRequest, text: string): string {
  return JSON.stringify({
    id: `resp_${request}`,
    object: "response",
    created_at: 1_700_000_000,
    status: "completed",
    error: null,
    incomplete_details: null,
    model: body.model,
    output: [
      { type: "reasoning", id: `rs_${request}`, summary: [], content: [{ type: "reasoning_text", text: "Hm." }] },
      {
        type: "message",
        id: `msg_${request}`,
        status: "completed",
        role: "assistant",
        content: [{ type: "output_text", text, annotations: [] }],
      },
    ],
    usage: {
      input_tokens: 20,
      input_tokens_details: { cached_tokens: 4 },
      output_tokens: 5,
      output_tokens_details: { reasoning_tokens: 2 },
      total_tokens: 25,
    },
  });
}

/** The answer of `/v1/messages`, in Anthropic's words. */
export function messageOf({ request, body }: SimulatedRequest, text: string): string {
  return JSON.stringify({
    id: `msg_${request}`,
    type: "message",
    role: "assistant",
    model: body.model,
    content: [{ type: "text", text }],
    stop_reason: "end_turn",
    stop_sequence: null,
    usage: { input_tokens: 20, cache_creation_input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 5 },
  });
}

/** The answer of `/api/chat`, in Ollama's words. */
export function ollamaChatOf({ body }: SimulatedRequest, text: string): string {
  return JSON.stringify({
    model: body.model,
    created_at: "2026-11-24T00:00:00Z",
    message: { role: "assistant", content: text },
    done: true,
    done_reason: "stop",
    prompt_eval_count: 20,
    eval_count: 5,
  });
}

/** In the words of OpenAI and, beside them, of Ollama. */
export function modelList(models: readonly string[]): string {
  const data = models.map((id) => ({ id, object: "model", owned_by: "simulated" }));
  return JSON.stringify({ object: "list", data, models: models.map((name) => ({ name, model: name })) });
}

/** Mulberry32: small, and the same on every machine. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
