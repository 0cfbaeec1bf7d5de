import { InvalidArgumentError } from "commander";

export function collectConcurrency(text: string, soFar: Record<string, number>): Record<string, number> {
  const [, tier, calls] = /^([^=]+)=(\d+)$/.exec(text) ?? [];
  if (tier === undefined) throw new InvalidArgumentError("expected TIER=N, for example ollama=2");
  return { ...soFar, [tier]: Number(calls) };
}

export function durationMs(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit ?? ""];
  if (unitMs === undefined) throw new InvalidArgumentError("expected a duration such as 90s, 30m, 2h or 1d");
  return Number(amount) * unitMs;
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

export const collect = (text: string, soFar: readonly string[]): readonly string[] => [...soFar, text];

export function dollars(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError("expected US dollars, 0 or more, for example 2.50");
  return Number(text);
}

export function oneOf(...allowed: string[]) {
  return (text: string): string => {
    if (!allowed.includes(text)) throw new InvalidArgumentError(`expected ${allowed.join(" or ")}`);
    return text;
  };
}
