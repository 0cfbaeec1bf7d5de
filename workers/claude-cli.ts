import type { BackendCall } from "./adapter.ts";
import { constraintFor } from "./answer-form.ts";
import { isObject } from "./backend-words.ts";
import { readClaudeResult } from "./claude-result.ts";
import { type CliProgram, cliAdapter } from "./cli-adapter.ts";

/** Anthropic's `claude` program, asked for one answer without tools (`claude -p`). Told of version 2.1.197. */
export const claudeProgram: CliProgram = {
  provider: "claude-cli",
  name: "claude",
  // Not `max_tokens`: at its limit the program asks the model to go on, up to three times, and prints the last part only.
  takes: (call) => (schemaOf(call) === undefined ? [] : ["response_format"]),
  takesSchema: true,
  surroundings: () => ["ANTHROPIC_BASE_URL", "CLAUDE_CONFIG_DIR"],
  command({ system, text }, call, apiKey) {
    const schema = schemaOf(call);
    return {
      args: [
        ...["-p", "--output-format", "json", "--no-session-persistence", "--tools", ""],
        // Without it the program reads files that a prompt names by "@", and the user's own instructions, and sends them.
        "--bare",
        `--model=${call.model}`,
        // Also an empty one, else its own takes its place.
        `--system-prompt=${system}`,
        // Looked at by the program between its messages, so that it bounds what it goes on for, not a single message.
        ...(call.defaults.maxBudgetUsd === undefined ? [] : [`--max-budget-usd=${call.defaults.maxBudgetUsd}`]),
        ...(schema === undefined ? [] : [`--json-schema=${JSON.stringify(schema)}`]),
      ],
      // A slash at the very beginning would be a command of the program's own.
      input: text.startsWith("/") ? `\n${text}` : text,
      variables: {
        ...(apiKey === undefined ? {} : { ANTHROPIC_API_KEY: apiKey }),
        CLAUDE_CODE_MAX_RETRIES: "0",
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
        DISABLE_AUTOUPDATER: "1",
        DISABLE_TELEMETRY: "1",
        // By default it would think for as many tokens as an answer may have.
        MAX_THINKING_TOKENS: "0",
      },
    };
  },
  read: readClaudeResult,
  // It has no list; these names are its own for the newest of each kind, the cheapest first.
  probe: { args: ["--version"], variables: {}, models: () => ["haiku", "sonnet", "opus"] },
};

export const claudeCli = cliAdapter(claudeProgram);

/** The schema that the row or its OpenAI body asks for. */
function schemaOf({ request, formInWords }: BackendCall): unknown {
  const { answerForm } = request;
  if (answerForm !== undefined) return formInWords ? undefined : constraintFor(answerForm).schema;
  const format = request.openaiBody?.response_format;
  const named = isObject(format) && format.type === "json_schema" ? format.json_schema : undefined;
  return isObject(named) ? named.schema : undefined;
}
