import type { Failure, HttpResponse } from "./response.ts";

/** A count of tokens as a backend gives it: 0 for what is absent or no count. */
export function countOf(value: unknown): number {
  return typeof value === "number" && value > 0 && Number.isFinite(value) ? Math.round(value) : 0;
}

/** A success whose body is no answer; it is named by its kind only, as a page of unknown origin may hold anything. */
export function noAnswer(host: string, { status, headers, text }: HttpResponse, what: string): Failure {
  const type = String(headers["content-type"] ?? "no content type").split(";")[0];
  const size = text === "" ? "empty" : `${type}, ${Buffer.byteLength(text)} bytes`;
  return { kind: "invalid-answer", message: `${host} answers ${status}, but its body (${size}) ${what}` };
}
