import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { parseArgs } from "node:util";
import {
  completionOf,
  defaultAnswer,
  embeddingsOf,
  keyOf,
  messageOf,
  misbehave,
  modelList,
  ollamaChatOf,
  responseOf,
  type SimulatedBehaviour,
  type SimulatedRequest,
  seededRandom,
  sendJson,
  textCompletionOf,
} from "./simulated-answers.ts";
import { sendAnswer } from "./simulated-pieces.ts";

export interface SimulatedStats {
  readonly requests: number;
  readonly answered: number;
  readonly inFlight: number;
  readonly peakInFlight: number;
  readonly countsByKey: Record<string, number>;
  /** Milliseconds between the arrival of the first and of the last chat request. */
  readonly spanMs: number;
  /** Integral of busy slots over that time, in slot-milliseconds; divide by `slots * spanMs` for the share kept busy. */
  readonly busySlotMs: number;
}

export interface SimulatedBackend {
  /** With `/v1`. */
  readonly baseUrl: string;
  readonly port: number;
  requests(): number;
  readonly countsByKey: ReadonlyMap<string, number>;
  /** Chat requests received and not yet ended, queued ones included. */
  readonly inFlight: number;
  readonly peakInFlight: number;
  stats(): SimulatedStats;
  /** Replaces the named settings; `fault: undefined` ends a fault. */
  setBehaviour(change: SimulatedBehaviour): void;
  /** Forgets all counts. */
  reset(): void;
  close(): Promise<void>;
}

/** Where it is asked, and in whose words it answers there. */
const chatPaths: Readonly<Record<string, (request: SimulatedRequest, text: string) => string>> = {
  "/v1/chat/completions": completionOf,
  "/v1/completions": textCompletionOf,
  "/v1/embeddings": embeddingsOf,
  "/v1/responses": responseOf,
  "/v1/messages": messageOf,
  "/api/chat": ollamaChatOf,
};

/**
 * A SIMULATED server on loopback that speaks like OpenAI, Anthropic and Ollama: no model, but the manners of one (slots,
 * a queue, service times, faults), deterministic for a given order of requests. It counts what it is asked by the `#key`
 * in the last message.
 */
export async function startSimulatedBackend(
  options: SimulatedBehaviour & { readonly port?: number } = {},
): Promise<SimulatedBackend> {
  let behaviour: SimulatedBehaviour = options;
  const counts = new Map<string, number>();
  const sockets = new Set<Socket>();
  const queue: (() => void)[] = [];
  let [requests, answered, inFlight, peakInFlight, busySlots] = [0, 0, 0, 0, 0];
  let [firstAt, lastAt, busyChangedAt, busySlotMs, busySlotMsAtLast] = [0, 0, 0, 0, 0];
  let random = seededRandom(1);

  function changeBusy(by: number): void {
    const now = performance.now();
    busySlotMs += busySlots * (now - busyChangedAt);
    busyChangedAt = now;
    busySlots += by;
  }

  function fillSlots(): void {
    while (queue.length > 0 && busySlots < (behaviour.slots ?? Number.POSITIVE_INFINITY)) queue.shift()?.();
  }

  function reset(): void {
    counts.clear();
    [requests, answered, peakInFlight] = [0, 0, inFlight];
    [firstAt, lastAt, busySlotMs, busySlotMsAtLast] = [0, 0, 0, 0];
    busyChangedAt = performance.now();
    random = seededRandom(1);
  }

  function serviceTimeMs(): number {
    const { latencyMs = 0, sigma = 0 } = behaviour;
    if (latencyMs === 0 || sigma === 0) return latencyMs;
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return latencyMs * Math.exp(sigma * normal);
  }

  function answerChat(
    text: string,
    headers: IncomingMessage["headers"],
    response: ServerResponse,
    inWords: (request: SimulatedRequest, text: string) => string,
  ): void {
    const body = JSON.parse(text) as Record<string, unknown>;
    const key = keyOf(body);
    const ask = (counts.get(key) ?? 0) + 1;
    counts.set(key, ask);
    const request: SimulatedRequest = { key, ask, request: ++requests, body, headers };
    inFlight++;
    peakInFlight = Math.max(peakInFlight, inFlight);
    lastAt = performance.now();
    if (firstAt === 0) firstAt = lastAt;
    changeBusy(0);
    busySlotMsAtLast = busySlotMs;

    let state: "waiting" | "served" | "ended" = "waiting";
    let timer: NodeJS.Timeout | undefined;
    const end = (): void => {
      if (state === "ended") return;
      clearTimeout(timer);
      inFlight--;
      const heldSlot = state === "served";
      state = "ended";
      if (!heldSlot) return;
      changeBusy(-1);
      fillSlots();
    };
    response.on("close", end);
    const serve = (): void => {
      if (state === "ended") return;
      state = "served";
      changeBusy(1);
      const waitMs = serviceTimeMs() * Math.max(1, (busySlots / (behaviour.knee ?? busySlots)) ** 1.5);
      const finish = (): void => {
        const fault = typeof behaviour.fault === "function" ? behaviour.fault(request) : behaviour.fault;
        if (fault !== undefined && !(fault.kind === "reset-in-body" && body.stream === true)) {
          misbehave(fault, response);
          return;
        }
        answered++;
        sendAnswer(response, inWords(request, (behaviour.answer ?? defaultAnswer)(request)), body.stream, fault);
        end();
      };
      if (waitMs > 0) timer = setTimeout(finish, waitMs);
      else finish();
    };
    queue.push(serve);
    fillSlots();
  }

  function stats(): SimulatedStats {
    return {
      requests,
      answered,
      inFlight,
      peakInFlight,
      countsByKey: Object.fromEntries(counts),
      spanMs: lastAt - firstAt,
      busySlotMs: busySlotMsAtLast,
    };
  }

  const server = createServer({ keepAliveTimeout: 60_000, noDelay: true }, (incoming, response) => {
    collect(incoming, (text) => {
      const path = incoming.url ?? "";
      const inWords = chatPaths[path];
      if (inWords !== undefined) answerChat(text, incoming.headers, response, inWords);
      else if (path === "/health" || path === "/readyz") sendJson(response, 200, "{}");
      else if (path === "/api/show") sendJson(response, 200, '{"model_info":{},"details":{}}');
      else if (path.split("?")[0] === "/v1/models" || path === "/api/tags")
        sendJson(response, 200, modelList(behaviour.models ?? ["simulated-model"]));
      else if (path === "/simulated/stats") sendJson(response, 200, JSON.stringify(stats()));
      else if (path === "/simulated/behaviour") {
        behaviour = { ...behaviour, fault: undefined, ...(JSON.parse(text) as SimulatedBehaviour) };
        fillSlots();
        sendJson(response, 200, "{}");
      } else if (path === "/simulated/reset") {
        reset();
        sendJson(response, 200, "{}");
      } else sendJson(response, 404, JSON.stringify({ error: { message: `no such path ${path}`, type: "not_found" } }));
    });
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;

  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    port,
    requests: () => requests,
    countsByKey: counts,
    get inFlight() {
      return inFlight;
    },
    get peakInFlight() {
      return peakInFlight;
    },
    stats,
    setBehaviour(change) {
      behaviour = { ...behaviour, ...change };
      fillSlots();
    },
    reset,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function collect(incoming: IncomingMessage, done: (text: string) => void): void {
  let text = "";
  incoming.setEncoding("utf8");
  incoming.on("data", (chunk: string) => {
    text += chunk;
  });
  incoming.on("end", () => done(text));
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      port: { type: "string", default: "0" },
      "latency-ms": { type: "string", default: "0" },
      sigma: { type: "string", default: "0" },
      slots: { type: "string", default: "Infinity" },
      knee: { type: "string", default: "Infinity" },
    },
  });
  const backend = await startSimulatedBackend({
    port: Number(values.port),
    latencyMs: Number(values["latency-ms"]),
    sigma: Number(values.sigma),
    slots: Number(values.slots),
    knee: Number(values.knee),
  });
  console.log(JSON.stringify({ port: backend.port, baseUrl: backend.baseUrl }));
}
