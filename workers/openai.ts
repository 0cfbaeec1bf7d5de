import type OpenAI from "openai";
import type { Outcome } from "../src/job/outcome.ts";
import type { Adapter, BackendCall, Endpoint, EndpointOptions } from "./adapter.ts";
import { isObject } from "./backend-words.ts";
import { chatRequest, readCompletionBody } from "./chat-completion.ts";
import {
  type ClientRequest,
  cannotSay,
  carrying,
  clientEndpoint,
  fetchThrough,
  longestTimeoutMs,
  responseTo,
} from "./client-fetch.ts";
import { openConnection } from "./http.ts";
import { readModelList } from "./model-list.ts";
import { refusedOption, withNewerLimit, withoutRefused } from "./openai-options.ts";
import { pathOf } from "./other-endpoints.ts";
import { refuseOmissions } from "./plain-request.ts";
import { streamedChat } from "./streamed-chat.ts";

/** OpenAI's API through its official client, whose requests go out by our own connection. */
export const openai: Adapter = {
  provider: "openai",
  defaultConcurrency: 16,
  needsBaseUrl: true,
  connect,
};

/** Flex processing costs what a batch does: https://platform.openai.com/docs/guides/flex-processing. */
const flexPriceFactor = 0.5;

function connect(options: EndpointOptions): Endpoint {
  const connection = openConnection(options);
  const { host } = connection;
  const { apiKey } = options;
  /** The options that a model has refused here, by model id. */
  const refusedBy = new Map<string, Set<string>>();
  let client: Promise<OpenAI> | undefined;

  /** The client, loaded by the first call: it takes a tenth of a second, which no other tier has to wait for. */
  async function loadClient(): Promise<OpenAI> {
    const { OpenAI } = await import("openai");
    return new OpenAI({
      baseURL: options.baseUrl,
      // The key is the connection's to send.
      apiKey: "unused",
      // Which organisation and project pay is said by variables that only the client knows.
      fetch: fetchThrough(connection, ["openai-organization", "openai-project"]),
      maxRetries: 0,
      timeout: longestTimeoutMs,
      logLevel: "off",
    });
  }

  /** Asks again without an option that the model refuses; the next rows are asked without it at once. */
  async function ask(call: BackendCall, request: ClientRequest): Promise<Outcome> {
    client ??= loadClient();
    const asking = await client;
    const whole = chatRequest(call, true);
    const wanted = call.request.openaiBody === undefined ? withNewerLimit(whole) : whole;
    for (;;) {
      const { request: chat, omitted } = withoutRefused(wanted, refusedBy.get(call.model));
      const refusal = refuseOmissions(call, { omittedOptions: omitted });
      if (refusal !== undefined) return refusal;
      try {
        // Not its method of that name: for embeddings and responses these change the body.
        const body: unknown = await asking.post(pathOf(call), { body: chat, ...carrying(request) });
        return readAnswer(body, omitted, call, request);
      } catch (error) {
        const response = responseTo(request);
        const option = response === undefined ? undefined : refusedOption(response);
        if (option === undefined || chat[option] === undefined) throw error;
        refusedBy.set(call.model, new Set([...(refusedBy.get(call.model) ?? []), option]));
      }
    }
  }

  function readAnswer(body: unknown, omitted: readonly string[], call: BackendCall, request: ClientRequest): Outcome {
    const response = responseTo(request);
    if (response === undefined) return cannotSay(host);
    const read = readCompletionBody(body, response, call, { host, apiKey, request: call.request });
    if (read.kind !== "answered") return read;
    const isFlex = isObject(body) && body.service_tier === "flex";
    return {
      kind: "answered",
      answer: {
        ...read.answer,
        ...(isFlex ? { priceFactor: flexPriceFactor } : {}),
        ...(omitted.length > 0 ? { omittedOptions: omitted } : {}),
      },
    };
  }

  return clientEndpoint(connection, apiKey, {
    ask,
    streams: streamedChat,
    async listModels(request) {
      client ??= loadClient();
      return readModelList(await (await client).get("/models", carrying(request)), host);
    },
  });
}
