import type { ConsensusRule } from "./consensus.ts";

import type { OtherEndpoint } from "./endpoints.ts";

/** One message of a conversation; `content` is text, or OpenAI's list of parts (text and image_url). */
export interface Message {
  readonly role: "system" | "user" | "assistant" | "tool" | "developer";
  readonly content: string | readonly Record<string, unknown>[];
}

export type JsonSchema = Readonly<Record<string, unknown>>;

/** What an answer must be: JSON that fits a schema, or one of some texts. */
export type AnswerForm = { readonly schema: JsonSchema } | { readonly choices: readonly string[] };

/** What is asked of a model, in no provider's dialect. */
export interface PromptRequest {
  readonly messages: readonly Message[];
  /** Asked for in the backend's own way where it has one, and checked whatever it has. */
  readonly answerForm?: AnswerForm;
  readonly maxOutputTokens?: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly stop?: readonly string[];
  readonly seed?: number;
  /** The body of an OpenAI batch line as it was given: adapters that speak this dialect send it whole. */
  readonly openaiBody?: Readonly<Record<string, unknown>>;
  /** The params of an Anthropic batch request as they were given: its adapter sends them whole. */
  readonly anthropicBody?: Readonly<Record<string, unknown>>;
  /** What an OpenAI body is meant for when it is not chat: only a backend that has this endpoint is asked. */
  readonly endpoint?: OtherEndpoint;
}

/** A line of an input that passed validation. */
export interface PromptRow {
  readonly id: string;
  readonly task?: string;
  /** An alias of the registry, or `TIER/ID`. */
  readonly model?: string;
  /** Several models are asked instead of one. */
  readonly consensus?: ConsensusRule;
  readonly private: boolean;
  readonly request: PromptRequest;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** How a line was written, which is how its result is written unless `--format` says otherwise. */
export type LineFormat = "flat" | "openai" | "anthropic";
