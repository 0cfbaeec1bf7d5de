import type { ErrorCode } from "../job/result.ts";
import type { OnlineEnd } from "../online-call.ts";

export interface Refusal {
  readonly status: number;
  readonly code: string | null;
  readonly message: string;
}

type Words = Omit<Refusal, "message">;

const byKind: Readonly<Record<OnlineEnd["kind"], Words>> = {
  answered: { status: 200, code: null },
  failed: { status: 400, code: null },
  throttled: { status: 429, code: "rate_limit_exceeded" },
  down: { status: 503, code: "backend_unavailable" },
  broken: { status: 502, code: "backend_error" },
  "timed-out": { status: 504, code: "backend_timeout" },
  cancelled: { status: 499, code: "cancelled" },
};

/** What an error is called by OpenAI where it has a name for it. */
const byCode: Partial<Record<ErrorCode, Words>> = {
  context_overflow: { status: 400, code: "context_length_exceeded" },
  content_filtered: { status: 400, code: "content_filter" },
  policy_refused: { status: 403, code: "policy_refused" },
  invalid_answer: { status: 502, code: "invalid_answer" },
  budget_exhausted: { status: 429, code: "insufficient_quota" },
};

/** How a client is told that there is no answer, so that its own retries do the right thing. */
export function refusalOf({ kind, result: { error } }: OnlineEnd): Refusal {
  const { status, code } = (error && byCode[error.code]) ?? byKind[kind];
  return { status, code, message: error?.message ?? "there is no answer" };
}
