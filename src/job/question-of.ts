import type { Message, PromptRequest } from "./row.ts";

/** What a request asks, in whichever form it came, as messages for a judge to read. */
export function questionOf({ messages, openaiBody, anthropicBody }: PromptRequest): readonly Message[] {
  if (anthropicBody !== undefined) {
    const { system, messages: own } = anthropicBody as { system?: Message["content"] | null; messages: Message[] };
    return system === undefined || system === null ? own : [{ role: "system", content: system }, ...own];
  }
  if (openaiBody === undefined) return messages;
  if (Array.isArray(openaiBody.messages)) return openaiBody.messages as Message[];
  const { instructions, input, prompt } = openaiBody;
  const text = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value ?? ""));
  return [
    ...(typeof instructions === "string" ? [{ role: "system" as const, content: instructions }] : []),
    { role: "user", content: text(input ?? prompt) },
  ];
}
