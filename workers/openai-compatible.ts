import type { Provider } from "../src/config/config.ts";
import type { Outcome } from "../src/job/outcome.ts";
import type { Adapter, BackendCall, Endpoint, EndpointOptions, Probe } from "./adapter.ts";
import { inWordsIfRefused } from "./answer-form.ts";
import { chatRequest, type FormOption, readChatCompletion } from "./chat-completion.ts";
import { classifyResponse } from "./classify.ts";
import { readGauges } from "./gauges.ts";
import { type HttpConnection, openConnection } from "./http.ts";
import { readModelList } from "./model-list.ts";
import { pathOf } from "./other-endpoints.ts";
import { withQuota } from "./rate-limit-headers.ts";
import { type Failure, type HttpResponse, isSuccess } from "./response.ts";
import { sendStreamed } from "./streamed-answer.ts";
import { streamedChat } from "./streamed-chat.ts";

/** In what members of this family differ. */
export interface OpenaiDialect {
  readonly provider: Provider;
  /** Calls in flight per endpoint to begin with when `concurrency` is "auto". */
  readonly defaultConcurrency: number;
  /** The path to use when the base URL has none. */
  readonly defaultPath: string;
  /** Default: OpenAI's `response_format`. */
  readonly formOption?: FormOption;
  /** Asked before the list of models: undefined when the server is ready. */
  readonly checkReady?: (ask: Ask, serverPath: string) => Promise<Failure | undefined>;
}

/** A GET without cost; a Failure for every end but a success. */
export type Ask = (path: string) => Promise<HttpResponse | Failure>;

const probeTimeoutMs = 10_000;

/** An adapter for a server that speaks OpenAI's `/chat/completions`. */
export function openaiAdapter(dialect: OpenaiDialect): Adapter {
  return {
    provider: dialect.provider,
    defaultConcurrency: dialect.defaultConcurrency,
    needsBaseUrl: true,
    connect: (options) => connect(dialect, options),
  };
}

export const openaiCompatible = openaiAdapter({
  provider: "openai-compatible",
  defaultConcurrency: 8,
  defaultPath: "",
});

function connect(dialect: OpenaiDialect, options: EndpointOptions): Endpoint {
  const connection = openConnection(options);
  const path = connection.basePath || dialect.defaultPath;
  const serverPath = path.replace(/\/v1$/, "");
  const { host } = connection;
  const { apiKey } = options;
  /** What the server says a model's context holds (vLLM does), by model id. */
  const contextTokens = new Map<string, number>();

  async function ask(call: BackendCall, withLimit: boolean): Promise<Outcome> {
    const { onText } = call;
    const request = {
      method: "POST" as const,
      path: path + pathOf(call),
      body: JSON.stringify(chatRequest(call, withLimit, dialect.formOption)),
      private: call.private,
      signal: call.signal,
      timeoutMs: call.timeoutMs,
    };
    const isStreamed = onText !== undefined && call.request.endpoint === undefined;
    const response = isStreamed
      ? await sendStreamed(connection, request, { dialect: streamedChat, onText })
      : await connection.send(request);
    if (response.kind !== "response") return response;
    const context = { host, apiKey, request: call.request };
    const outcome = isSuccess(response.status)
      ? readChatCompletion(response, call, context)
      : classifyResponse(response, context);
    return withQuota(outcome, response);
  }

  return {
    call: inWordsIfRefused(async (call) => {
      const startedAtMs = performance.now();
      const { request, maxOutputTokens, model } = call;
      // The default limit may be more than a small model's context has room for; such servers then refuse every row,
      // and without a limit give what room there is, which is less than the limit.
      const ownLimit = request.maxOutputTokens !== undefined || request.openaiBody !== undefined;
      const room = call.contextTokens ?? contextTokens.get(model) ?? Number.POSITIVE_INFINITY;
      const withLimit = ownLimit || maxOutputTokens < room;
      const outcome = await ask(call, withLimit);
      if (outcome.kind !== "context-overflow" || ownLimit || !withLimit) return outcome;
      const timeoutMs = call.timeoutMs - Math.round(performance.now() - startedAtMs);
      return timeoutMs > 0 ? ask({ ...call, timeoutMs }, false) : outcome;
    }),
    async probe(signal) {
      const get: Ask = async (target) => {
        const response = await send(connection, target, signal);
        if (response.kind !== "response" || isSuccess(response.status)) return response;
        return classifyResponse(response, { host, apiKey });
      };
      const notReady = await dialect.checkReady?.(get, serverPath);
      if (notReady !== undefined) return { usable: false, outcome: notReady };
      const response = await get(`${path}/models`);
      if (response.kind !== "response") return { usable: false, outcome: response };
      return readModels(response, host, contextTokens);
    },
    async gauges(signal) {
      // A provider's server has none, or they are not about us.
      if (options.location === "cloud") return "none";
      const response = await send(connection, `${serverPath}/metrics`, signal);
      if (response.kind !== "response") return undefined;
      return isSuccess(response.status) ? readGauges(response.text) : "none";
    },
    close: () => connection.close(),
  };
}

function send(connection: HttpConnection, path: string, signal: AbortSignal): Promise<HttpResponse | Failure> {
  return connection.send({ method: "GET", path, private: false, signal, timeoutMs: probeTimeoutMs });
}

function readModels({ text }: HttpResponse, host: string, contextTokens: Map<string, number>): Probe {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  return readModelList(body, host, ({ id, max_model_len: length }) => {
    if (typeof length === "number") contextTokens.set(id, length);
  });
}
