/** Tokens of one call; `cachedTokens` are part of `inputTokens`. */
export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedTokens: number;
}

export interface Answer {
  /** Of embeddings it is empty: their vectors are in the body alone. */
  readonly text: string;
  /** OpenAI's words: `stop`, `length`, `content_filter`, `tool_calls`, or the provider's own. */
  readonly finishReason: string;
  readonly usage: Usage;
  /** The model id that the backend says answered. */
  readonly model: string;
  /** The backend's whole answer, kept only for rows that came as OpenAI batch lines and only in that dialect. */
  readonly openaiBody?: Readonly<Record<string, unknown>>;
  /** The same of Anthropic's dialect. */
  readonly anthropicBody?: Readonly<Record<string, unknown>>;
  /** Options of the row that this backend cannot take and that were left out, by their flat-row names. */
  readonly omittedOptions?: readonly string[];
  /** What the call cost where the backend itself says so; else it is reckoned from the usage and the model's price. */
  readonly costUsd?: number;
  /** Of the model's price, where this call was served at another one. Default 1. */
  readonly priceFactor?: number;
}

/** One limit as a provider told it beside an answer. */
export interface QuotaLimit {
  readonly perMinute: number;
  /** What it says is left now, whoever used the rest. */
  readonly left: number;
}

/** What a provider said of its limits: `tokens` counts input and output together. */
export type QuotaReport = Readonly<Partial<Record<"requests" | "tokens" | "input" | "output", QuotaLimit>>>;

/** The closed set of ways in which one attempt (one call to one backend for one row) can end. */
export type Outcome =
  | { readonly kind: "answered"; readonly answer: Answer; readonly quota?: QuotaReport }
  /** The backend says that this request is wrong, and would say so again. */
  | { readonly kind: "rejected"; readonly message: string }
  | { readonly kind: "content-filtered"; readonly message: string }
  | { readonly kind: "context-overflow"; readonly message: string }
  /** Success by its status, but its body is no answer. */
  | { readonly kind: "invalid-answer"; readonly message: string }
  /** The backend is there and asks to wait: a 429, a full queue, a model that is loading. */
  | {
      readonly kind: "throttled";
      readonly message: string;
      readonly retryAfterMs?: number;
      readonly quota?: QuotaReport;
    }
  /** A 5xx or a connection lost after the request was sent: the row's fault only if others are answered meanwhile. */
  | {
      readonly kind: "server-error";
      readonly message: string;
      readonly retryAfterMs?: number;
      /** The connection broke: the backend may have done the work, and nobody knows. */
      readonly unanswered?: true;
    }
  | { readonly kind: "timed-out"; readonly message: string }
  /** No connection: refused, unknown host, bad certificate. Nothing was sent. */
  | { readonly kind: "unreachable"; readonly message: string }
  /** The account or the model cannot be used until somebody acts: a bad key, no credit, no such model. */
  | {
      readonly kind: "unavailable";
      readonly scope: "tier" | "model";
      readonly reason: "bad-key" | "no-credit" | "spend-limit" | "no-permission" | "model-missing";
      readonly message: string;
    }
  /** The place where requests leave the process refused: a private row to an address that is not local. */
  | { readonly kind: "refused-by-policy"; readonly message: string }
  /** Our own side aborted the call: a stop, a cancel, a deadline. */
  | { readonly kind: "cancelled"; readonly message: string };
