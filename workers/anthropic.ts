import type Anthropic from "@anthropic-ai/sdk";
import type { Outcome } from "../src/job/outcome.ts";
import type { Adapter, BackendCall, Endpoint, EndpointOptions } from "./adapter.ts";
import { messageRequest, readMessage, wholeRequest, withoutRefused } from "./anthropic-message.ts";
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
import { plainRequest, refuseOmissions } from "./plain-request.ts";
import { streamedMessage } from "./streamed-message.ts";

/** Anthropic's API through its official client, whose requests go out by our own connection. */
export const anthropic: Adapter = {
  provider: "anthropic",
  defaultConcurrency: 16,
  needsBaseUrl: true,
  connect,
};

/** The most that the list gives at once. */
const mostModels = 1_000;

function connect(options: EndpointOptions): Endpoint {
  const baseUrl = options.baseUrl.replace(/\/+$/, "").replace(/\/v1$/, "");
  const connection = openConnection({ ...options, baseUrl });
  const { host } = connection;
  let client: Promise<Anthropic> | undefined;

  /** The client, loaded by the first call: it takes a tenth of a second, which no other tier has to wait for. */
  async function loadClient(): Promise<Anthropic> {
    const { Anthropic } = await import("@anthropic-ai/sdk");
    return new Anthropic({
      baseURL: baseUrl,
      // The key is the connection's to send; without any the client would look for one on this machine.
      apiKey: "unused",
      // Only the client knows which version of the API it speaks.
      fetch: fetchThrough(connection, ["anthropic-version"]),
      maxRetries: 0,
      // A timeout of its own is also what lets it ask for long answers without streaming.
      timeout: longestTimeoutMs,
      openTelemetry: false,
      logLevel: "off",
    });
  }

  async function ask(call: BackendCall, request: ClientRequest): Promise<Outcome> {
    const asked = wholeRequest(call) ?? messageRequest(call.model, withoutRefused(plainRequest(call)));
    if ("kind" in asked) return asked;
    const refusal = refuseOmissions(call, asked);
    if (refusal !== undefined) return refusal;
    client ??= loadClient();
    const answer: unknown = await (await client).messages.create(asked.message, carrying(request));
    const response = responseTo(request);
    return response === undefined ? cannotSay(host) : readMessage(answer, response, call, asked.omittedOptions, host);
  }

  return clientEndpoint(connection, options.apiKey, {
    ask,
    streams: streamedMessage,
    async listModels(request) {
      client ??= loadClient();
      const list = await (await client).get("/v1/models", { query: { limit: mostModels }, ...carrying(request) });
      return readModelList(list, host);
    },
  });
}
