import { Agent, request } from "undici";
import { messageOf } from "../src/job/errors.ts";
import { connectionWords } from "./connection-error.ts";
import { type AddressJudge, judgedConnector, type Lookup } from "./location-guard.ts";

/** How it ended that somebody was told of an event. */
export type PostEnd =
  | { readonly kind: "delivered" }
  /** It may go better later. */
  | { readonly kind: "failed"; readonly message: string }
  /** Never again: it is not to be asked, or has said that it wants no more. */
  | { readonly kind: "refused"; readonly message: string };

export interface EventPoster {
  post(url: string, headers: Readonly<Record<string, string>>, body: string): Promise<PostEnd>;
  close(): Promise<void>;
}

/** An address that is not to be told anything. */
export class AddressRefused extends Error {
  override readonly name = "AddressRefused";
}

const connectTimeoutMs = 5_000;
const timeoutMs = 15_000;
const mostAnswerBytes = 16_384;

/** Follows no redirect, as that could lead to where the judge does not look; reads as little as it can. */
export function createEventPoster(judge: AddressJudge, lookup?: Lookup): EventPoster {
  const agent = new Agent({
    connect: judgedConnector(judge, { timeout: connectTimeoutMs }, lookup),
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    keepAliveTimeout: 1_000,
    pipelining: 0,
  });
  return {
    async post(url, headers, body) {
      try {
        const signal = AbortSignal.timeout(timeoutMs);
        const { statusCode, body: answer } = await request(url, {
          method: "POST",
          dispatcher: agent,
          headers,
          body,
          signal,
        });
        await answer.dump({ limit: mostAnswerBytes }).catch(() => {});
        if (statusCode >= 200 && statusCode < 300) return { kind: "delivered" };
        if (statusCode === 410) return { kind: "refused", message: "it answered 410: it wants no more events" };
        return { kind: "failed", message: `it answered ${statusCode}` };
      } catch (error) {
        const refusal = [error, (error as Error).cause].find((one) => one instanceof AddressRefused);
        if (refusal !== undefined) return { kind: "refused", message: messageOf(refusal) };
        return { kind: "failed", message: connectionWords(error as Error) };
      }
    },
    close: () => agent.destroy(),
  };
}
