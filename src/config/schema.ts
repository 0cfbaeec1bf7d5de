import { z } from "zod";
import { providers } from "./config.ts";
import { consensus } from "./consensus-rule.ts";
import { closed, text, variableName, wholeFrom } from "./schema-parts.ts";
import { serve } from "./serve-schema.ts";

/*
 * The shape of models.json. Every message below says what was expected; problems.ts adds where, what was found and how
 * to mend it. Required keys are checked after merging (check.ts), because a file that extends another may leave them out.
 */

/** Node's timers cannot wait longer; they would fire at once. */
const longestTimerMs = 2_147_483_647;

const positive = (expected: string) => z.number(expected).positive(expected);
const notNegative = (expected: string) => z.number(expected).nonnegative(expected);

/** A base URL that says nothing secret. */
export function isServerUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const url = new URL(value);
  return /^https?:$/.test(url.protocol) && url.username === "" && url.password === "" && url.search + url.hash === "";
}

export const serverUrlText = "a URL that starts with http:// or https://, without user, password, query or fragment";
const serverUrl = z.string(serverUrlText).refine(isServerUrl, serverUrlText);

const perMinute = (what: string) => {
  const expected = `a number of ${what} per minute, from 0.01 to 1000000000000`;
  return z.number(expected).min(0.01, expected).max(1e12, expected);
};
const limits = closed(
  {
    rpm: perMinute("requests").optional(),
    tpm: perMinute("tokens").optional(),
    inputTpm: perMinute("input tokens").optional(),
    outputTpm: perMinute("output tokens").optional(),
  },
  'limits such as { "rpm": 500, "tpm": 200000 }',
);

const slots = "a whole number of calls at once, from 1 to 100000";
const timeout = `a whole number of milliseconds from 1 to ${longestTimerMs}`;
const waiting = `a whole number of milliseconds from 0 to ${longestTimerMs}`;

const tier = closed(
  {
    provider: z.enum(providers, `one of ${providers.join(", ")}`).optional(),
    baseUrl: z
      .union(
        [serverUrl, z.array(serverUrl, serverUrlText).min(1, "at least one URL")],
        `${serverUrlText}, or a list of them`,
      )
      .optional(),
    apiKeyEnv: variableName.optional(),
    location: z.enum(["local", "cloud"], '"local" or "cloud"').optional(),
    concurrency: z.union([wholeFrom(1, 100_000, slots), z.literal("auto")], `${slots}, or "auto"`).optional(),
    maxConcurrency: wholeFrom(1, 100_000, slots).optional(),
    limits: z.union([limits, z.literal("auto")], 'limits such as { "rpm": 500, "tpm": 200000 }, or "auto"').optional(),
    requestTimeoutMs: wholeFrom(1, longestTimerMs, timeout).optional(),
    fallbackAfterMs: wholeFrom(0, longestTimerMs, waiting).optional(),
    dailyBudgetUsd: notNegative("a number of US dollars, 0 or more").optional(),
  },
  'a tier such as { "provider": "ollama", "baseUrl": "http://127.0.0.1:11434" }',
);

const dollars = "US dollars per million tokens, 0 or more";
const price = closed(
  {
    inputPerMTok: notNegative(dollars),
    outputPerMTok: notNegative(dollars),
    cachedInputPerMTok: notNegative(dollars).optional(),
    source: text("where the price is from, as text").optional(),
    date: z.iso.date("the day on which the price was read, such as 2026-11-20").optional(),
  },
  'a price such as { "inputPerMTok": 0.1, "outputPerMTok": 0.5 }',
);

const tokens = "a whole number of tokens above 0";
const defaults = closed(
  {
    temperature: z
      .number("a number from 0 to 2")
      .min(0, "a number from 0 to 2")
      .max(2, "a number from 0 to 2")
      .optional(),
    topP: positive("a number above 0, at most 1").max(1, "a number above 0, at most 1").optional(),
    stop: z.array(z.string("a text"), "a list of texts").optional(),
    seed: z.number("a whole number").int("a whole number").optional(),
    serviceTier: z.enum(["auto", "default", "flex"], '"auto", "default" or "flex"').optional(),
    priority: z.number("a whole number").int("a whole number").optional(),
    maxBudgetUsd: positive("US dollars, above 0").optional(),
  },
  'request options such as { "temperature": 0 }',
);

const model = closed(
  {
    tier: text("the name of a tier").optional(),
    model: text('the provider\'s id of the model, or "auto"').optional(),
    maxOutputTokens: wholeFrom(1, Number.MAX_SAFE_INTEGER, tokens).optional(),
    contextTokens: wholeFrom(1, Number.MAX_SAFE_INTEGER, tokens).optional(),
    defaults: defaults.optional(),
    limits: limits.optional(),
    price: price.optional(),
  },
  'a model such as { "tier": "ollama", "model": "llama3.2" }',
);

const preferences = ["listed", "cheapest", "fastest"] as const;
const task = closed(
  {
    primary: text("the alias of a model").optional(),
    fallback: z.array(text("the alias of a model"), "a list of model aliases").optional(),
    private: z.boolean("true or false").optional(),
    prefer: z.enum(preferences, '"listed", "cheapest" or "fastest"').optional(),
    consensus: consensus.optional(),
    why: z.string("a text").optional(),
  },
  'a task such as { "primary": "claude.haiku", "fallback": ["local.llama3"] }',
);

const hostName = "a host name or an address, without scheme, port or path";
const detectText = '"email", "api-key", "card-number" or a pattern such as "/project falcon/i"';
const policy = closed(
  {
    trustedHosts: z.array(z.string(hostName).regex(/^[A-Za-z0-9_.:-]+$/, hostName), "a list of host names").optional(),
    detect: z.array(z.string(detectText), "a list of texts").optional(),
  },
  'a policy such as { "trustedHosts": ["gpu.example.net"] }',
);

/** What may stand before a dot or a slash: a tier's name is also its queue's. */
export const tierNamePattern = /^[a-z][a-z0-9_.-]*$/;
/** Queues of the fleet's own, which no tier may be named after. */
export const reservedTierNames: readonly string[] = ["inbox", "batches"];
/** A fleet's name is part of every key in Redis, in braces. */
export const fleetNamePattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
export const fleetNameText = "1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first";

const tierName = 'a tier name: lower-case letters, digits, "_", "." and "-", a letter first';
const plainName = 'a name of letters, digits, "_", "." and "-"';
const named = <Value extends z.ZodType>(pattern: RegExp, nameText: string, value: Value, expected: string) =>
  z.record(z.string().regex(pattern, nameText), value, {
    error: (issue) => (issue.code === "invalid_key" ? nameText : expected),
  });

/** models.json as it is written; all keys optional, because a file may extend the packaged one. */
export const configFileSchema = closed(
  {
    $schema: z.string("a text").optional(),
    fleet: z.string(fleetNameText).regex(fleetNamePattern, fleetNameText).optional(),
    extends: z.literal("default", 'nothing, or "default": the packaged config').optional(),
    defaultTask: text("the name of a task").optional(),
    tiers: named(tierNamePattern, tierName, tier, "an object of tiers by name").optional(),
    models: named(/^[A-Za-z0-9_.-]+$/, plainName, model, "an object of models by alias").optional(),
    tasks: named(/^[A-Za-z0-9_.-]+$/, plainName, task, "an object of tasks by name").optional(),
    policy: policy.optional(),
    serve: serve.optional(),
  },
  "an object with tiers, models and tasks",
);
export type ConfigFile = z.infer<typeof configFileSchema>;
export type TierFile = z.infer<typeof tier>;
export type ModelFile = z.infer<typeof model>;
export type TaskFile = z.infer<typeof task>;
