import type { Outcome } from "../src/job/outcome.ts";

/** Every end of a call but an answer. */
export type Failure = Exclude<Outcome, { kind: "answered" }>;

/** Response headers: names in lower case. */
export type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** What came back, whatever its status; redirects are not followed. */
export interface HttpResponse {
  readonly kind: "response";
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}
