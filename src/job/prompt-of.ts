import type { PromptRequest } from "./row.ts";

/** What a request asks, in whichever form it came: what the audit's hash of a prompt is made of. */
export function promptOf({ messages, openaiBody, anthropicBody }: PromptRequest): unknown {
  if (anthropicBody !== undefined) return [anthropicBody.system, anthropicBody.messages];
  if (openaiBody === undefined) return messages;
  const { instructions, input, prompt } = openaiBody;
  return openaiBody.messages ?? (instructions === undefined ? (input ?? prompt) : [instructions, input]);
}
