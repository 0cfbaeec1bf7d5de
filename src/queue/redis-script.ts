import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import type { Redis } from "ioredis";

export type ScriptArgument = string | number | Buffer;
export type RedisScript = (keys: readonly string[], args: readonly ScriptArgument[]) => Promise<unknown>;

/**
 * Makes a Lua file callable on a connection; it is sent once and then named by its hash.
 * @param before a file whose functions it uses.
 */
export function redisScript(redis: Redis, file: URL, numberOfKeys: number, before?: URL): RedisScript {
  const name = `promptfleet:${basename(fileURLToPath(file), ".lua")}-${numberOfKeys}`;
  const commands = redis as unknown as Record<string, (args: ScriptArgument[]) => Promise<unknown>>;
  if (commands[name] === undefined) redis.defineCommand(name, { lua: sourceOf(file, before), numberOfKeys });
  return (keys, args) => {
    if (keys.length !== numberOfKeys) throw new Error(`${name} takes ${numberOfKeys} keys, got ${keys.length}`);
    return commands[name]!([...keys, ...args]);
  };
}

/** Only the first line of a script may be its `#!lua`. */
function sourceOf(file: URL, before: URL | undefined): string {
  const source = readFileSync(file, "utf8");
  return before === undefined ? source : readFileSync(before, "utf8") + source.replace(/^#!.*/, "");
}
