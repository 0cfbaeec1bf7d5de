import type { Answer } from "../job/outcome.ts";
import type { Message, PromptRequest } from "../job/row.ts";
import { checkAnswer } from "./check-answer.ts";
import type { CallEnd } from "./erring-rows.ts";
import type { AskedRow, CheckedAnswer } from "./result-of-call.ts";

/** How asking for a row has ended, by one call or by two. */
export type AskedEnd = CallEnd & CheckedAnswer;

/**
 * call → check: an answer that is not of the row's form is shown to the model together with what is wrong with it, once.
 * An answer's usage is that of both calls.
 */
export async function askInForm(row: AskedRow, call: (row: AskedRow) => Promise<CallEnd>): Promise<AskedEnd> {
  const end = await call(row);
  const { payload } = row;
  const { answerForm: form } = payload.request;
  if (form === undefined || end.outcome.kind !== "answered") return { ...end, repairs: 0 };
  const { answer } = end.outcome;
  const checked = checkAnswer(form, answer.text, answer.finishReason);
  if (checked.fits) return fitting(end, answer, checked, 0);

  const request = repairRequest(payload.request, answer.text, checked.complaint);
  const again = await call({ ...row, attempts: row.attempts + 1, payload: { ...payload, request } });
  const latencyMs = end.latencyMs + again.latencyMs;
  if (again.outcome.kind !== "answered") {
    const isNoFault = !["rejected", "context-overflow", "content-filtered", "invalid-answer"].includes(
      again.outcome.kind,
    );
    // The row comes again from its beginning; what the backend refuses is the repair, not the row.
    return isNoFault ? { ...again, repairs: 0 } : { ...end, latencyMs, repairs: 1, misfit: checked.complaint };
  }
  const last = again.outcome.answer;
  const both = togetherWith(answer, last);
  const checkedAgain = checkAnswer(form, last.text, last.finishReason);
  if (checkedAgain.fits) return fitting({ ...again, latencyMs }, both, checkedAgain, 1);
  const outcome = { kind: "answered", answer: both } as const;
  return { ...again, outcome, latencyMs, repairs: 1, misfit: checkedAgain.complaint };
}

function fitting(
  end: CallEnd,
  answer: Answer,
  { text, json }: { readonly text: string; readonly json?: unknown },
  repairs: number,
): AskedEnd {
  const outcome = { kind: "answered", answer: { ...answer, text } } as const;
  return { ...end, outcome, repairs, ...(json === undefined ? {} : { json }) };
}

/** The conversation so far and what is wrong with its end. */
function repairRequest(request: PromptRequest, answer: string, complaint: string): PromptRequest {
  const form = request.answerForm!;
  const wanted =
    "schema" in form
      ? `Answer again with JSON alone that fits this JSON schema: ${JSON.stringify(form.schema)}`
      : `Answer again with exactly one of these and nothing else: ${form.choices.join(" | ")}`;
  const repair = [
    // Some servers refuse an empty message, some two of one role in a row.
    { role: "assistant" as const, content: answer.trim() === "" ? "(no answer)" : answer },
    { role: "user" as const, content: `That answer cannot be used: ${complaint}. ${wanted}` },
  ];
  const { openaiBody: body, anthropicBody: params, endpoint } = request;
  const after = (messages: unknown): unknown[] => [...(messages as Message[]), ...repair];
  if (params !== undefined) return { ...request, anthropicBody: { ...params, messages: after(params.messages) } };
  if (body === undefined) return { ...request, messages: [...request.messages, ...repair] };
  if (endpoint === undefined) return { ...request, openaiBody: { ...body, messages: after(body.messages) } };
  // What a response is asked with may be a text alone.
  const asked = Array.isArray(body.input) ? body.input : [{ role: "user", content: body.input }];
  return { ...request, openaiBody: { ...body, input: after(asked) } };
}

/** The last answer with what both have taken. */
function togetherWith(first: Answer, last: Answer): Answer {
  const [one, other] = [first.usage, last.usage];
  const usage = {
    inputTokens: one.inputTokens + other.inputTokens,
    outputTokens: one.outputTokens + other.outputTokens,
    cachedTokens: one.cachedTokens + other.cachedTokens,
  };
  const costUsd = last.costUsd === undefined ? {} : { costUsd: (first.costUsd ?? 0) + last.costUsd };
  return { ...last, usage, ...costUsd };
}
