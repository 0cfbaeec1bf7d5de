import type { ErrorCode, ResultLine } from "../job/result.ts";
import { formatOpenaiLine } from "../results/format-result.ts";

/** Failures that a server would have told by a status: the request itself was not taken. */
const refusals: ReadonlySet<ErrorCode> = new Set(["invalid_row", "rejected", "content_filtered", "context_overflow"]);

const ownWords: Partial<Record<ErrorCode, { readonly code: string; readonly message: string }>> = {
  deadline_passed: {
    code: "batch_expired",
    message: "This request could not be executed before the completion window expired.",
  },
  cancelled: { code: "batch_cancelled", message: "This request was not executed, as the batch was cancelled." },
};

/** A line of the output or the error file, as OpenAI's batch API writes it. */
export function openaiBatchLine(result: ResultLine): string {
  const { error, index, id, consensus } = result;
  if (error === null) return formatOpenaiLine(result);
  const number = index + 1;
  const head = { id: `batch_req_${number}`, custom_id: id };
  if (!refusals.has(error.code)) {
    return JSON.stringify({ ...head, response: null, error: ownWords[error.code] ?? error, consensus });
  }
  const body = { error: { message: error.message, type: "invalid_request_error", param: null, code: error.code } };
  return JSON.stringify({ ...head, response: { status_code: 400, request_id: `req_${number}`, body }, error: null });
}
