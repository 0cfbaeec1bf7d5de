import { InvalidArgumentError } from "commander";
import type { Similarity } from "../job/consensus.ts";
import { durationMsOf } from "../job/duration.ts";

export function collectConcurrency(text: string, soFar: Record<string, number>): Record<string, number> {
  const [, tier, calls] = /^([^=]+)=(\d+)$/.exec(text) ?? [];
  if (tier === undefined) throw new InvalidArgumentError("expected TIER=N, for example ollama=2");
  return { ...soFar, [tier]: Number(calls) };
}

export function durationMs(text: string): number {
  const ms = durationMsOf(text);
  if (ms === undefined) throw new InvalidArgumentError("expected a duration such as 90s, 30m, 2h or 1d");
  return ms;
}

export const commaList = (text: string): string[] =>
  text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");

export function rowCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("expected a whole number of rows, for example 20");
  return Number(text);
}

export function rowIndex(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("expected the index of a row, from 0");
  return Number(text);
}

export function portNumber(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new InvalidArgumentError("expected a port, from 0 to 65535");
  return port;
}

export function portOfPages(text: string): number {
  if (/^\d+$/.test(text)) return portNumber(text);
  throw new InvalidArgumentError(
    "expected --serve, or a port as in --serve=8701; write a lone --serve behind the input",
  );
}

export const collect = (text: string, soFar: readonly string[]): readonly string[] => [...soFar, text];

export function dollars(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError("expected US dollars, 0 or more, for example 2.50");
  return Number(text);
}

export function share(text: string): number {
  if (!/^\d*\.?\d+$/.test(text)) throw new InvalidArgumentError("expected a share such as 0.66");
  return Number(text);
}

export function similarity(text: string): Similarity {
  const [, model, atLeast = ""] = /^(.+)=([^=]+)$/.exec(text.trim()) ?? [];
  if (model === undefined || !/^\d+(\.\d+)?$/.test(atLeast)) {
    throw new InvalidArgumentError("expected ALIAS=SHARE, for example local.embeddings=0.9");
  }
  return { model, atLeast: Number(atLeast) };
}

export function oneOf(...allowed: string[]) {
  return (text: string): string => {
    if (!allowed.includes(text)) throw new InvalidArgumentError(`expected ${allowed.join(" or ")}`);
    return text;
  };
}
