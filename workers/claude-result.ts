import type { Answer, Outcome } from "../src/job/outcome.ts";
import type { BackendCall } from "./adapter.ts";
import { countOf } from "./answer-parts.ts";
import { finishReasonOf } from "./anthropic-message.ts";
import { isObject } from "./backend-words.ts";
import { classifyError } from "./classify.ts";
import type { Exited } from "./cli-adapter.ts";
import type { Failure } from "./response.ts";

type ResultObject = Readonly<Record<string, unknown>>;

/** What `claude -p --output-format json` printed: one object, also for an error (with exit 1). */
export function readClaudeResult(
  { code, stdout, stderr }: Exited,
  call: BackendCall,
  quote: (words: string) => string,
): Outcome {
  const result = parse(stdout);
  if (result === undefined) return withoutResult(code, stdout, quote(stderr));
  if (result.subtype === "error_max_budget_usd") {
    const message = "claude stopped at this model's maxBudgetUsd before it had an answer; raise it, or ask for less";
    return { kind: "rejected", message };
  }
  if (result.is_error === true) return readError(result, quote);
  if (result.num_turns === 0) {
    return { kind: "invalid-answer", message: "claude took the prompt for a command of its own and asked no model" };
  }
  if (typeof result.result !== "string")
    return { kind: "invalid-answer", message: "claude printed a result without text" };
  const usage = usageOf(result.usage);
  const models = Object.entries(isObject(result.modelUsage) ? result.modelUsage : {});
  const [model = call.model, ofModel] = models[0] ?? [];
  const mostTokens = isObject(ofModel) ? countOf(ofModel.maxOutputTokens) : 0;
  if (mostTokens > 0 && usage.outputTokens >= mostTokens) {
    const message = `the answer is longer than the ${mostTokens} tokens of one message, and claude prints the last one only`;
    return { kind: "invalid-answer", message };
  }
  const cost = result.total_cost_usd;
  return {
    kind: "answered",
    answer: {
      text: result.result,
      // The answer to a schema is the call of a tool for the program only.
      finishReason: result.stop_reason === "tool_use" ? "stop" : finishReasonOf(result.stop_reason),
      usage,
      model,
      ...(typeof cost === "number" && cost >= 0 ? { costUsd: cost } : {}),
    },
  };
}

function parse(stdout: string): ResultObject | undefined {
  try {
    const value: unknown = JSON.parse(stdout);
    return isObject(value) && value.type === "result" ? value : undefined;
  } catch {
    return undefined;
  }
}

function withoutResult(code: number, stdout: string, words: string): Failure {
  if (/unknown option/.test(words)) {
    return { kind: "unreachable", message: `claude does not know an option that is needed (${words}); update it` };
  }
  if (code !== 0)
    return { kind: "server-error", message: `claude ended with exit code ${code}: ${words || "no words"}` };
  const what =
    stdout.trim() === "" ? "printed nothing" : `printed ${Buffer.byteLength(stdout)} bytes that are no result`;
  return { kind: "invalid-answer", message: `claude ${what}` };
}

/** Its own words for what carries no status. */
const wordsWithoutStatus: readonly (readonly [RegExp, (message: string) => Failure])[] = [
  [/not logged in|invalid api key/i, (message) => ({ kind: "unavailable", scope: "tier", reason: "bad-key", message })],
  [/ECONNRESET|socket|timed? ?out/i, (message) => ({ kind: "server-error", message })],
  [/unable to connect/i, (message) => ({ kind: "unreachable", message })],
  [/malformed response/i, (message) => ({ kind: "invalid-answer", message })],
];

function readError(
  { result, errors, api_error_status: status, stop_reason }: ResultObject,
  quote: (words: string) => string,
): Failure {
  const said = typeof result === "string" ? result : Array.isArray(errors) ? errors.join("; ") : "";
  const message = `claude says: ${quote(said) || "an error without words"}`;
  if (stop_reason === "refusal" || /usage policy/i.test(said)) return { kind: "content-filtered", message };
  // Said under several statuses, 400 among them.
  if (/credit balance|spend(ing)? limit/i.test(said)) {
    return { kind: "unavailable", scope: "tier", reason: "no-credit", message };
  }
  if (typeof status === "number") {
    const failure = classifyError(status, { message: said, codes: "", status }, { headers: {} }, { host: "claude" });
    return { ...failure, message };
  }
  const known = wordsWithoutStatus.find(([words]) => words.test(said));
  return known === undefined ? { kind: "server-error", message } : known[1](message);
}

function usageOf(usage: unknown): Answer["usage"] {
  if (!isObject(usage)) return { inputTokens: 0, outputTokens: 0, cachedTokens: 0 };
  const cachedTokens = countOf(usage.cache_read_input_tokens);
  return {
    inputTokens: countOf(usage.input_tokens) + countOf(usage.cache_creation_input_tokens) + cachedTokens,
    outputTokens: countOf(usage.output_tokens),
    cachedTokens,
  };
}
