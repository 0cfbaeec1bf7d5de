// The browser build is the one without a file system: the other one reads an image's text as a path if there is one.
import { Ollama } from "ollama/browser";
import type { Outcome } from "../src/job/outcome.ts";
import type { Adapter, BackendCall, Endpoint, EndpointOptions } from "./adapter.ts";
import { noAnswer } from "./answer-parts.ts";
import { isObject } from "./backend-words.ts";
import { type ClassifyContext, classifyResponse } from "./classify.ts";
import { type ClientRequest, cannotSay, clientEndpoint, responseTo, sendFor } from "./client-fetch.ts";
import { openConnection } from "./http.ts";
import { chatRequest, readChat, streamedLines } from "./ollama-chat.ts";
import { contextTokensFor, type OllamaModel, readOllamaModel } from "./ollama-model.ts";
import { askOther } from "./ollama-other.ts";
import { pullModel } from "./ollama-pull.ts";
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

/** A model may be replaced by another of its name, a remote one for instance. */
const modelFactsMs = 60_000;

function connect(options: EndpointOptions): Endpoint {
  const serverUrl = options.baseUrl.replace(/\/+$/, "").replace(/\/v1$/, "");
  const connection = openConnection({ ...options, baseUrl: serverUrl });
  const { host } = connection;
  const models = new Map<string, { readonly facts: OllamaModel; readonly untilMs: number }>();

  /** A client for one call, as this one can have neither signal nor deadline. */
  function clientFor(request: ClientRequest): Ollama {
    const send = (url: unknown, init?: RequestInit) => sendFor(request, connection, url, init);
    return new Ollama({ host: serverUrl, fetch: send as typeof fetch });
  }

  async function factsOf(name: string, client: Ollama): Promise<OllamaModel> {
    const known = models.get(name);
    if (known !== undefined && known.untilMs > performance.now()) return known.facts;
    const facts = readOllamaModel(name, await client.show({ model: name }));
    models.set(name, { facts, untilMs: performance.now() + modelFactsMs });
    return facts;
  }

  async function ask(call: BackendCall, request: ClientRequest): Promise<Outcome> {
    const client = clientFor(request);
    const model = await factsOf(call.model, client);
    if (call.private && model.remoteHost !== undefined) {
      const message = `a private row may not be sent to model ${call.model}, which ${host} hands on to ${model.remoteHost}`;
      return { kind: "refused-by-policy", message };
    }
    const { endpoint } = call.request;
    if (endpoint !== undefined) {
      const contextTokens = contextTokensFor(model, call.contextTokens);
      const context = { host, apiKey: options.apiKey, request: call.request };
      return askOther({ client, call, contextTokens, response: () => responseTo(request), context }, endpoint);
    }
    const plain = plainRequest(call);
    const refusal = refuseOmissions(call, plain);
    if (refusal !== undefined) return refusal;
    if (!model.seesImages && plain.messages.some(({ imageUrls }) => imageUrls.length > 0)) {
      return { kind: "rejected", message: `${call.model} at ${host} sees no images; name a model that does` };
    }
    const contextTokens = contextTokensFor(model, call.contextTokens);
    const chat = chatRequest(call.model, plain, contextTokens);
    if ("kind" in chat) return chat;
    const answer = await client.chat(chat);
    return readChat(answer, responseTo(request), call, plain, contextTokens, host);
  }

  const endpoint = clientEndpoint(connection, options.apiKey, {
    ask,
    streams: streamedLines,
    async listModels(request) {
      const list: unknown = await clientFor(request).list();
      if (isObject(list) && Array.isArray(list.models)) {
        return { usable: true, models: list.models.map((model) => String(model.name)) };
      }
      const response = responseTo(request);
      return { usable: false, outcome: response ? noAnswer(host, response, "is no list of models") : cannotSay(host) };
    },
    classify: ollamaFailure,
  });
  return { ...endpoint, pull: (model, onProgress, signal) => pullModel(connection, model, onProgress, signal) };
}

/** Ollama's own errors: what no row is to blame for comes as 400 or 500 too. */
function ollamaFailure(response: HttpResponse, context: ClassifyContext): Failure {
  const failure = classifyResponse(response, context);
  const modelIsUnusable = /requires more system memory|unable to load model|does not support chat/.test(response.text);
  if (!modelIsUnusable) return failure;
  return { kind: "unavailable", scope: "model", reason: "model-missing", message: failure.message };
}
