import { adapters } from "../../workers/index.ts";

/** A server or a program that speaks for real. */
export interface Target {
  readonly name: string;
  readonly provider: keyof typeof adapters;
  readonly url: string;
  readonly model: string | undefined;
}

/** Reads `[NAME:]PROVIDER=URL[#MODEL]`. */
export function parseTarget(text: string): Target {
  const match = /^(?:([\w.-]+):)?([\w-]+)=([^#]*)(?:#(.+))?$/.exec(text);
  const provider = match?.[2] as keyof typeof adapters;
  if (match === null || !(provider in adapters)) {
    throw new Error(
      `expected [NAME:]PROVIDER=URL[#MODEL], PROVIDER one of ${Object.keys(adapters).join(", ")}: ${text}`,
    );
  }
  return { name: match[1] ?? provider, provider, url: match[3] ?? "", model: match[4] };
}
