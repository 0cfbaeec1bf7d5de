import type { Response } from "express";
import type { ResultLine } from "../job/result.ts";
import type { Refusal } from "./online-refusal.ts";

export type Fields = Readonly<Record<string, unknown>>;

/** How the clients of an API ask one question, and are answered. */
export interface OnlineForm {
  readonly path: string;
  newId(): string;
  /** The row that a body is, as a line of an input. */
  rowOf(body: Fields, id: string): Fields;
  /** An answer at once. */
  bodyOf(result: ResultLine, id: string): Fields;
  openStream(response: Response, options: StreamOptions): AnswerStream;
}

export interface StreamOptions {
  readonly id: string;
  /** As the client names it; which one answers is known at the end. */
  readonly model: string;
  readonly includesUsage: boolean;
}

/** An answer in pieces; nothing is sent before the first of them. */
export interface AnswerStream {
  tell(delta: string): void;
  hasBegun(): boolean;
  /** The end of an answer, with what of it is no text. */
  end(result: ResultLine): void;
  /** The end of one that has begun and will not be whole. */
  breakOff(refusal: Refusal): void;
}

/** Begins a stream of events. */
export function beginEvents(response: Response): void {
  response.setHeader("Content-Type", "text/event-stream; charset=utf-8");
  // Proxies would gather the pieces.
  response.setHeader("X-Accel-Buffering", "no");
}
