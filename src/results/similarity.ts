import type { PromptRequest } from "../job/row.ts";
import type { GivenAnswer, Judgement } from "./agreement.ts";
import { plainText, withoutThinking } from "./same-answer.ts";

/** Texts that differ in their words, each once, and which of them each model gave. */
interface DistinctTexts {
  readonly texts: readonly string[];
  readonly placeOf: ReadonlyMap<string, number>;
}

function distinct(answers: readonly GivenAnswer[]): DistinctTexts {
  const places = new Map<string, number>();
  const texts: string[] = [];
  const placeOf = new Map<string, number>();
  for (const { model, text } of answers) {
    const plain = plainText(text);
    if (!places.has(plain)) places.set(plain, texts.push(withoutThinking(text).trim()) - 1);
    placeOf.set(model, places.get(plain)!);
  }
  return { texts, placeOf };
}

/** One call embeds all answers that differ in their words. */
export function similarityRequest(answers: readonly GivenAnswer[]): PromptRequest {
  return { messages: [], endpoint: "/v1/embeddings", openaiBody: { input: distinct(answers).texts } };
}

/**
 * Which answers mean the same by the cosine of their embeddings, or in words why these cannot be compared. What is
 * compared is rounded as it is shown.
 * @param body in the words of OpenAI.
 */
export function readSimilarity(body: unknown, answers: readonly GivenAnswer[], atLeast: number): Judgement | string {
  const { texts, placeOf } = distinct(answers);
  const vectors = vectorsIn(body, texts.length);
  if (typeof vectors === "string") return vectors;
  const similarity = (one: string, other: string): number => {
    const [left, right] = [placeOf.get(one), placeOf.get(other)];
    if (left === undefined || right === undefined) return 0;
    return left === right ? 1 : Math.round(product(vectors[left]!, vectors[right]!) * 1e6) / 1e6;
  };
  return { by: "similarity", similarity, isSame: (one, other) => similarity(one, other) >= atLeast };
}

type Vector = readonly number[];

function vectorsIn(body: unknown, count: number): Vector[] | string {
  const data = (body as { readonly data?: unknown } | null | undefined)?.data;
  const entries = Array.isArray(data) ? (data as readonly { index?: unknown; embedding?: unknown }[]) : [];
  if (entries.length !== count) return `cannot be compared: there are ${entries.length} for ${count} answers`;
  const vectors: Vector[] = [];
  for (const [at, { index, embedding }] of entries.entries()) {
    const vector = directionOf(embedding);
    if (vector === undefined) return "cannot be compared: one of them is no vector";
    vectors[typeof index === "number" ? index : at] = vector;
  }
  const lengths = [...new Set(Array.from({ length: count }, (_, at) => vectors[at]?.length))];
  if (lengths.includes(undefined)) return "cannot be compared: two of them are for one answer";
  return lengths.length > 1 ? `cannot be compared: their lengths differ (${lengths.join(", ")})` : vectors;
}

/** A vector of length 1, from numbers or from the bytes of 32-bit ones in base64. */
function directionOf(embedding: unknown): Vector | undefined {
  const numbers: unknown = typeof embedding === "string" ? floatsIn(Buffer.from(embedding, "base64")) : embedding;
  if (!Array.isArray(numbers) || !numbers.every((number) => typeof number === "number")) return undefined;
  const length = Math.hypot(...numbers);
  return length > 0 && Number.isFinite(length) ? numbers.map((number) => number / length) : undefined;
}

const floatsIn = (bytes: Buffer): number[] =>
  Array.from({ length: Math.floor(bytes.length / 4) }, (_, at) => bytes.readFloatLE(4 * at));

const product = (one: Vector, other: Vector): number => one.reduce((sum, number, at) => sum + number * other[at]!, 0);
