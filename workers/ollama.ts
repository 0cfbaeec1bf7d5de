// The browser build is the one without a file system: the other one reads an image's text as a path if there is one.
import { type ChatResponse, Ollama } from "ollama/browser";
import type { Outcome } from "../src/job/outcome.ts";
import type { Adapter, BackendCall, Endpoint, EndpointOptions } from "./adapter.ts";
import { noAnswer } from "./answer-parts.ts";
import { isObject } from "./backend-words.ts";
import { classifyResponse } from "./classify.ts";
import { openConnection } from "./http.ts";
import { cannotSay, chatRequest, readChat } from "./ollama-chat.ts";
import { contextTokensFor, type OllamaModel, readOllamaModel } from "./ollama-model.ts";
import { plainRequest, refuseOmissions } from "./plain-request.ts";
import type { Failure, HttpResponse } from "./response.ts";

/** Ollama through its official client, whose requests go out by our own connection. */
export const ollama: Adapter = {
  provider: "ollama",
  // OLLAMA_NUM_PARALLEL is 1 by default: one is answered while the next one waits.
  defaultConcurrency: 2,
  needsBaseUrl: true,
  connect,
};

const probeTimeoutMs = 10_000;
/** A model may be replaced by another of its name, a remote one for instance. */
const modelFactsMs = 60_000;

/** Carries the end of a call through the client, which knows only thrown errors. */
class CallEnded extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

type CallBounds = Pick<BackendCall, "private" | "signal" | "timeoutMs"> & Partial<Pick<BackendCall, "request">>;

function connect(options: EndpointOptions): Endpoint {
  const serverUrl = options.baseUrl.replace(/\/+$/, "").replace(/\/v1$/, "");
  const connection = openConnection({ ...options, baseUrl: serverUrl });
  const { host } = connection;
  const models = new Map<string, { readonly facts: OllamaModel; readonly untilMs: number }>();

  /** A client for one call, as the client itself has neither signal nor deadline. */
  function clientFor(bounds: CallBounds): { readonly client: Ollama; readonly last: () => HttpResponse | undefined } {
    let response: HttpResponse | Failure | undefined;
    const send = async (url: unknown, init: RequestInit = {}): Promise<Response> => {
      const { pathname } = new URL(String(url));
      const body =
        typeof init.body === "string" ? { method: "POST" as const, body: init.body } : { method: "GET" as const };
      response = await connection.send({ ...body, path: pathname, ...bounds });
      if (response.kind !== "response") throw new CallEnded(response);
      if (response.status >= 200 && response.status < 300) return new Response(response.text);
      throw new CallEnded(ollamaFailure(response, host, options.apiKey, bounds.request));
    };
    const client = new Ollama({ host: serverUrl, fetch: send as typeof fetch });
    return { client, last: () => (response?.kind === "response" ? response : undefined) };
  }

  async function factsOf(name: string, bounds: CallBounds): Promise<OllamaModel> {
    const known = models.get(name);
    if (known !== undefined && known.untilMs > performance.now()) return known.facts;
    const shown = await clientFor(bounds).client.show({ model: name });
    const facts = readOllamaModel(name, shown);
    models.set(name, { facts, untilMs: performance.now() + modelFactsMs });
    return facts;
  }

  async function ask(call: BackendCall): Promise<Outcome> {
    const model = await factsOf(call.model, call);
    if (call.private && model.remoteHost !== undefined) {
      const message = `a private row may not be sent to model ${call.model}, which ${host} hands on to ${model.remoteHost}`;
      return { kind: "refused-by-policy", message };
    }
    const plain = plainRequest(call);
    const refusal = refuseOmissions(call, plain);
    if (refusal !== undefined) return refusal;
    const contextTokens = contextTokensFor(model, call.contextTokens);
    const request = chatRequest(call.model, plain, contextTokens);
    if ("kind" in request) return request;
    const { client, last } = clientFor(call);
    let answer: ChatResponse;
    try {
      answer = await client.chat(request);
    } catch (error) {
      const response = last();
      if (error instanceof SyntaxError && response !== undefined) return noAnswer(host, response, "is not JSON");
      throw error;
    }
    return readChat(answer, last(), call, plain, contextTokens, host);
  }

  return {
    call: (call) => ended(ask(call), host),
    async probe(signal) {
      const { client, last } = clientFor({ private: false, signal, timeoutMs: probeTimeoutMs });
      try {
        const list: unknown = await client.list();
        if (isObject(list) && Array.isArray(list.models)) {
          return { usable: true, models: list.models.map((model) => String(model.name)) };
        }
        const response = last();
        throw new CallEnded(response ? noAnswer(host, response, "is no list of models") : cannotSay(host));
      } catch (error) {
        return { usable: false, outcome: failureOf(error, host) };
      }
    },
    close: () => connection.close(),
  };
}

/** Ollama's own errors: what no row is to blame for comes as 400 or 500 too. */
function ollamaFailure(
  response: HttpResponse,
  host: string,
  apiKey: string | undefined,
  request: BackendCall["request"] | undefined,
): Failure {
  const failure = classifyResponse(response, { host, apiKey, request });
  const modelIsUnusable = /requires more system memory|unable to load model|does not support chat/.test(response.text);
  if (!modelIsUnusable) return failure;
  return { kind: "unavailable", scope: "model", reason: "model-missing", message: failure.message };
}

async function ended(call: Promise<Outcome>, host: string): Promise<Outcome> {
  try {
    return await call;
  } catch (error) {
    return failureOf(error, host);
  }
}

function failureOf(error: unknown, host: string): Failure {
  return error instanceof CallEnded ? error.failure : cannotSay(host);
}
