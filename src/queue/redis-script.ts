import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import type { Redis } from "ioredis";

export type ScriptArgument = string | number | Buffer;
export type RedisScript = (keys: readonly string[], args: readonly ScriptArgument[]) => Promise<unknown>;

/**
 * Makes a Lua file callable on a connection; it is sent once and then named by its hash.
 * @param before files whose functions it uses.
 */
export function redisScript(redis: Redis, file: URL, numberOfKeys: number, before: readonly URL[] = []): RedisScript {
  const name = `promptfleet:${basename(fileURLToPath(file), ".lua")}-${numberOfKeys}`;
  const commands = redis as unknown as Record<string, (args: ScriptArgument[]) => Promise<unknown>>;
  if (commands[name] === undefined) redis.defineCommand(name, { lua: sourceOf(file, before), numberOfKeys });
  return (keys, args) => {
    if (keys.length !== numberOfKeys) throw new Error(`${name} takes ${numberOfKeys} keys, got ${keys.length}`);
    return commands[name]!([...keys, ...args]);
  };
}

/** Only the first line of a script may be its `#!lua`. */
function sourceOf(file: URL, before: readonly URL[]): string {
  const sources = [...before, file].map((one) => readFileSync(one, "utf8"));
  return sources.map((source, at) => (at === 0 ? source : source.replace(/^#!.*/, ""))).join("\n");
}
