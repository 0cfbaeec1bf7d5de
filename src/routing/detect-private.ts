import { type DetectRule, readDetectRule } from "../config/detect-rules.ts";
import type { PromptRequest } from "../job/row.ts";

/** The rule of `policy.detect` that finds something in what a row sends, by its name. */
export type Detector = (request: PromptRequest) => string | undefined;

/** Undefined when there are no rules. Finding something makes a row private; finding nothing makes no row public. */
export function createDetector(written: readonly string[]): Detector | undefined {
  const rules = written.map(readDetectRule).filter((rule): rule is DetectRule => "finds" in rule);
  if (rules.length < written.length) throw new Error("policy.detect was not checked");
  if (rules.length === 0) return undefined;
  return (request) => {
    const texts = [...textsOf(request)];
    return rules.find(({ finds }) => texts.some(finds))?.name;
  };
}

/** Every text within, but for images that are given as their bytes. */
function* textsOf(value: unknown): Generator<string> {
  if (typeof value === "string") {
    if (!/^data:image\/[\w.+-]+;base64,/.test(value)) yield value;
  } else if (typeof value === "object" && value !== null) {
    // Anthropic has the bytes of an image beside their type.
    if ("media_type" in value && "data" in value && /^image\//.test(String(value.media_type))) return;
    for (const inner of Object.values(value)) yield* textsOf(inner);
  }
}
