import type { BackendCall } from "../../workers/adapter.ts";
import type { TierConfig } from "../config/config.ts";
import { providerFacts } from "../config/providers.ts";
import { type PlainQuestion, plainQuestion } from "../job/anthropic-params.ts";
import type { AuditedCall } from "../job/audited-call.ts";
import type { RowPayload } from "../job/batch.ts";
import { batchOfRows, rowOfVote } from "../job/consensus.ts";
import type { Outcome } from "../job/outcome.ts";
import { promptOf } from "../job/prompt-of.ts";
import type { PromptRequest } from "../job/row.ts";
import type { EndpointState } from "./endpoints.ts";
import type { AskedRow } from "./result-of-call.ts";

export interface DepartureOptions {
  readonly tier: TierConfig;
  /** Whether a tier may be given a row for that model id: true, or why not. Asked right before each call. */
  readonly mayHold: (tier: TierConfig, modelId: string, isPrivate: boolean) => true | string;
  /** Tasks that are private here, whatever a payload says. */
  readonly privateTasks: ReadonlySet<string>;
  /** Puts a call on record before it is made; resolves to why it may not be made, if that cannot be done. */
  readonly audit?: ((call: AuditedCall) => Promise<string | undefined>) | undefined;
}

interface Departure {
  readonly batchId: string;
  readonly row: AskedRow;
  /** The provider's; never "auto". */
  readonly modelId: string;
  readonly signal: AbortSignal;
  readonly onText: ((delta: string) => void) | undefined;
}

/** No call was made, because it could not be put on record first. */
export interface NotOnRecord {
  readonly kind: "not-on-record";
  readonly message: string;
}

/** The one way by which requests of rows leave for a backend: may they, are they on record, then the call. */
export function createDeparture({ tier, mayHold, privateTasks, audit }: DepartureOptions) {
  const hosts = new Map<string, string>(tier.baseUrls.map((baseUrl) => [baseUrl, new URL(baseUrl).host]));
  /** Who sees what is sent where there is no URL. */
  const program = tier.provider === "llama-cpp" ? "in-process" : tier.provider;

  return async ({ endpoint, baseUrl }: EndpointState, departure: Departure): Promise<Outcome | NotOnRecord> => {
    const { batchId, modelId, row } = departure;
    const { payload, model } = row;
    const isPrivate = payload.private || privateTasks.has(payload.task ?? "");
    const held = mayHold(tier, modelId, isPrivate);
    if (held !== true) return { kind: "refused-by-policy", message: held };
    const question = questionFor(tier, payload, modelId);
    if ("kind" in question) return question;
    const trouble = await audit?.({
      batch: batchOfRows(batchId),
      row: rowOfVote(batchId, row.row),
      attempt: row.attempts + 1,
      tier: tier.name,
      model: modelId,
      alias: model.alias,
      host: hosts.get(baseUrl) ?? program,
      location: tier.location,
      private: isPrivate,
      messages: promptOf(payload.request),
    });
    if (trouble !== undefined) return { kind: "not-on-record", message: trouble };
    const outcome = await endpoint.call(callOf(departure, question.request, isPrivate, tier.requestTimeoutMs));
    return withOmitted(outcome, question.omittedOptions);
  };
}

/** The row's question as this tier's adapter takes it: Anthropic's own params are for its adapter alone. */
function questionFor(
  { provider }: TierConfig,
  { request, strict }: RowPayload,
  modelId: string,
): PlainQuestion | Outcome {
  const { anthropicBody } = request;
  if (anthropicBody === undefined || providerFacts[provider].takesAnthropicParams === true) {
    return { request, omittedOptions: [] };
  }
  const question = plainQuestion(anthropicBody);
  if (typeof question === "string") return { kind: "rejected", message: question };
  if (strict !== true || question.omittedOptions.length === 0) return question;
  return { kind: "rejected", message: `${modelId} cannot take ${question.omittedOptions.join(", ")} (--strict)` };
}

function withOmitted(outcome: Outcome, options: readonly string[]): Outcome {
  if (outcome.kind !== "answered" || options.length === 0) return outcome;
  const { answer } = outcome;
  return { ...outcome, answer: { ...answer, omittedOptions: [...options, ...(answer.omittedOptions ?? [])] } };
}

function callOf(
  { modelId, row: { payload, model }, signal, onText }: Departure,
  request: PromptRequest,
  isPrivate: boolean,
  timeoutMs: number,
): BackendCall {
  return {
    model: modelId,
    request,
    maxOutputTokens: payload.request.maxOutputTokens ?? model.maxOutputTokens,
    ...(model.contextTokens === undefined ? {} : { contextTokens: model.contextTokens }),
    defaults: model.defaults,
    strict: payload.strict === true,
    private: isPrivate,
    signal,
    timeoutMs,
    ...(onText === undefined ? {} : { onText }),
  };
}
