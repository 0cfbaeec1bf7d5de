import { z } from "zod";
import { durationMsOf } from "../job/duration.ts";
import { roles } from "./config.ts";
import { closed, text, variableName, wholeFrom } from "./schema-parts.ts";

/* What `serve` is told in models.json; the defaults are in build.ts. */

const sha256 = "the SHA-256 of the token in hex (printf %s TOKEN | sha256sum)";
const token = closed(
  {
    sha256: z.string(sha256).regex(/^[0-9a-fA-F]{64}$/, sha256),
    role: z.enum(roles, '"read", "submit" or "admin"'),
    name: text("a name for whoever has this token"),
  },
  'a token such as { "sha256": "…", "role": "submit", "name": "nightly job" }',
);

const bytes = "a whole number of bytes above 0";
const limits = closed(
  {
    maxFileBytes: wholeFrom(1, Number.MAX_SAFE_INTEGER, bytes).optional(),
    maxBodyBytes: wholeFrom(1, 2 ** 30, `${bytes}, at most 1073741824`).optional(),
    maxRowsPerBatch: wholeFrom(1, 1e9, "a whole number of rows, from 1 to 1000000000").optional(),
    maxUploadsAtOnce: wholeFrom(1, 10_000, "a whole number of uploads at once, from 1 to 10000").optional(),
    maxRequestsPerMinute: wholeFrom(1, 1e9, "a whole number of requests a minute, from 1 to 1000000000").optional(),
  },
  'limits such as { "maxRequestsPerMinute": 6000 }',
);

const webhookUrl = "a URL that starts with https:// or http://, without user and password";
const webhook = closed(
  {
    url: z.string(webhookUrl).refine(isWebhookUrl, webhookUrl).optional(),
    secretEnv: variableName.optional(),
    allowPrivate: z.boolean("true or false").optional(),
  },
  'a webhook such as { "url": "https://hooks.example.com/promptfleet" }',
);

const leastRetentionMs = 3_600_000;
const retention = '"forever", or a duration of at least 1h such as "30d": what has ended is removed after it';

const window = '"enforced", or "advisory": batches run on after it';
export const serve = closed(
  {
    completionWindow: z.enum(["enforced", "advisory"], window).optional(),
    retention: z
      .string(retention)
      .refine((text) => text === "forever" || (durationMsOf(text) ?? 0) >= leastRetentionMs, retention)
      .optional(),
    tokens: z.array(token, "a list of tokens").optional(),
    limits: limits.optional(),
    webhook: webhook.optional(),
  },
  'settings of the server such as { "limits": { "maxRequestsPerMinute": 6000 } }',
);
export type ServeFile = z.infer<typeof serve>;

/** A URL that events can be sent to; where its host is, is judged when it is connected to. */
export function isWebhookUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const url = new URL(value);
  return /^https?:$/.test(url.protocol) && url.username === "" && url.password === "";
}
