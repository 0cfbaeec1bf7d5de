import type { Message, PromptRequest } from "./row.ts";

type Fields = Readonly<Record<string, unknown>>;
type Block = Readonly<Record<string, unknown>>;

/** The same question for a backend that does not speak Anthropic's dialect, and which params it is not asked with. */
export interface PlainQuestion {
  readonly request: PromptRequest;
  readonly omittedOptions: readonly string[];
}

/** Params that are understood here, or that change nothing about one answer that is not streamed. */
const understoodParams = new Set(
  ["model", "messages", "system", "max_tokens", "temperature", "top_p", "stop_sequences", "stream"].concat([
    "output_config",
    "metadata",
    "service_tier",
    "speed",
    "inference_geo",
    "cache_control",
    "container",
  ]),
);

/** What a model has thought is nothing that another one has to read. */
const thoughts: readonly unknown[] = ["thinking", "redacted_thinking"];

/** Anthropic's params in no provider's dialect, or why they cannot be: images and texts are all that others take. Pure. */
export function plainQuestion(params: Fields): PlainQuestion | string {
  const { system, output_config: output, max_tokens, temperature, top_p, stop_sequences: stop } = params;
  const given = params.messages as readonly { readonly role: Message["role"]; readonly content: unknown }[];
  const asked =
    system === undefined || system === null ? given : [{ role: "system" as const, content: system }, ...given];
  const messages: Message[] = [];
  for (const { role, content } of asked) {
    const parts = typeof content === "string" ? content : partsOf(content as readonly Block[]);
    if (typeof parts !== "string" && "refused" in parts) {
      return `blocks of the type ${JSON.stringify(parts.refused)} can be given to Anthropic's API alone`;
    }
    messages.push({ role, content: parts });
  }
  const { format, ...others } = (output ?? {}) as { readonly format?: Fields };
  const schema = format?.type === "json_schema" ? (format.schema as Fields | undefined) : undefined;
  return {
    request: {
      messages,
      ...(schema === undefined ? {} : { answerForm: { schema } }),
      ...(typeof max_tokens === "number" ? { maxOutputTokens: max_tokens } : {}),
      ...(typeof temperature === "number" ? { temperature } : {}),
      ...(typeof top_p === "number" ? { topP: top_p } : {}),
      ...(Array.isArray(stop) && stop.length > 0 ? { stop: stop.map(String) } : {}),
    },
    omittedOptions: [
      ...Object.keys(params).filter((name) => !understoodParams.has(name) && params[name] !== null),
      ...Object.keys(others),
    ],
  };
}

function partsOf(blocks: readonly Block[]): string | readonly Block[] | { readonly refused: unknown } {
  const parts: Block[] = [];
  for (const { type, text, source } of blocks) {
    if (thoughts.includes(type)) continue;
    const url = type === "image" ? imageUrl(source as Fields | undefined) : undefined;
    if (type === "text" && typeof text === "string") parts.push({ type: "text", text });
    else if (url !== undefined) parts.push({ type: "image_url", image_url: { url } });
    else return { refused: type };
  }
  // Some servers take no list of parts.
  const only = parts.length === 1 ? parts[0]?.text : undefined;
  return typeof only === "string" ? only : parts;
}

/** Undefined for an image that lies in Anthropic's own store. */
function imageUrl({ type, url, media_type, data }: Fields = {}): string | undefined {
  if (type === "base64" && typeof data === "string") return `data:${String(media_type)};base64,${data}`;
  return type === "url" && typeof url === "string" && /^https?:\/\//i.test(url) ? url : undefined;
}
