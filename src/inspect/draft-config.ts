import type { Config, TaskConfig } from "../config/config.ts";
import type { ConfigFile, ModelFile, TaskFile, TierFile } from "../config/schema.ts";

/** A server that was found, and what it has. */
export interface FoundServer {
  readonly program: "ollama" | "vllm" | "localai" | "llama.cpp" | "openai-compatible";
  readonly baseUrl: string;
  readonly models: readonly string[];
}

/** Tiers and the alias of their "auto" model, for programs that the packaged config knows. */
const packagedTiers = {
  ollama: { tier: "ollama", alias: "local.ollama" },
  vllm: { tier: "vllm", alias: "local.vllm" },
  localai: { tier: "localai", alias: "local.localai" },
} as const;

/** What is laid over the packaged config so that it fits what was found. */
export interface ServerDraft {
  readonly tiers: Readonly<Record<string, TierFile>>;
  readonly models: Readonly<Record<string, ModelFile>>;
  /** Aliases that answer from a found server, the best for many rows first. */
  readonly aliases: readonly string[];
}

const bestFirst = ["vllm", "localai", "llama.cpp", "openai-compatible", "ollama"] as const;

/** Tiers and models for the servers that were found; several of one program become one tier. Pure. */
export function draftServers(servers: readonly FoundServer[], packaged: Config): ServerDraft {
  const tiers: Record<string, TierFile> = {};
  const models: Record<string, ModelFile> = {};
  const aliases: string[] = [];
  for (const program of bestFirst) {
    const found = servers.filter((server) => server.program === program && server.models.length > 0);
    if (found.length === 0) continue;
    const urls = found.map(({ baseUrl }) => baseUrl);
    const baseUrl = urls.length === 1 ? urls[0]! : urls;
    if (program === "llama.cpp" || program === "openai-compatible") {
      const tier = program === "llama.cpp" ? "llamacpp" : "local-server";
      tiers[tier] = { provider: "openai-compatible", baseUrl, location: "local" };
      models[`local.${tier}`] = { tier, model: "auto", price: { inputPerMTok: 0, outputPerMTok: 0 } };
      aliases.push(`local.${tier}`);
      continue;
    }
    const { tier, alias } = packagedTiers[program];
    aliases.push(alias);
    if (urls.join() !== packaged.tiers[tier]?.baseUrls.join()) tiers[tier] = { baseUrl };
  }
  return { tiers, models, aliases };
}

/** `skipped`: routing leaves it out by itself, for want of a key or an adapter. `down`: rows would wait for it. */
export type ModelState = "usable" | "skipped" | "down";

/** Most servers do not say whether their model sees images, and most models do not. */
const imageTask = "vision";

/**
 * Routes for the tasks that would wait for what is not there: what is down goes last, and where nothing usable is left,
 * the servers that were found come before it. Models without a key keep their place, for when it is there. Pure; found
 * servers are local, so private tasks may use them.
 */
export function draftTasks(
  tasks: readonly TaskConfig[],
  stateOf: (alias: string) => ModelState,
  found: readonly string[],
): Record<string, TaskFile> {
  const drafts: Record<string, TaskFile> = {};
  for (const { name, primary, fallback } of tasks) {
    const listed = [primary, ...fallback];
    const down = listed.filter((alias) => stateOf(alias) === "down");
    const hasUsable = listed.some((alias) => stateOf(alias) === "usable");
    const stay = listed.filter((alias) => stateOf(alias) !== "down");
    const added = hasUsable || name === imageTask ? [] : found.filter((alias) => !listed.includes(alias));
    const route = [...stay, ...added, ...down];
    if (route.join() === listed.join() || (!hasUsable && added.length === 0)) continue;
    drafts[name] = { ...(route[0] === primary ? {} : { primary: route[0]! }), fallback: route.slice(1) };
  }
  return drafts;
}

/** The file itself. */
export function draftConfig(servers: ServerDraft, tasks: Readonly<Record<string, TaskFile>>): ConfigFile {
  const { tiers, models } = servers;
  return {
    extends: "default",
    ...(Object.keys(tiers).length > 0 ? { tiers: { ...tiers } } : {}),
    ...(Object.keys(models).length > 0 ? { models: { ...models } } : {}),
    ...(Object.keys(tasks).length > 0 ? { tasks: { ...tasks } } : {}),
  };
}
