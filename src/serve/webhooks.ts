import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Lookup } from "../../workers/location-guard.ts";
import { AddressRefused, createEventPoster } from "../../workers/post-event.ts";
import type { Config } from "../config/config.ts";
import { isWebhookUrl } from "../config/serve-schema.ts";
import { messageOf, UserError } from "../job/errors.ts";
import { saysDayBudgetIsReached } from "../pool/pace.ts";
import { type BatchRecord, finalStatuses } from "./batch-record.ts";
import type { ServeContext } from "./context.ts";
import { HttpError } from "./http-error.ts";
import { refusalOfAddress, refusalOfWebhookUrl } from "./webhook-address.ts";
import { batchEvent, budgetEvent, dayOf } from "./webhook-events.ts";
import { openWebhookOutbox } from "./webhook-outbox.ts";
import { readWebhookSecret, type WebhookSecret } from "./webhook-secret.ts";

export interface WebhookOptions {
  readonly onNotice: (line: string) => void;
  /** Default: `retryDelaysMs`. */
  readonly delaysMs?: readonly number[];
  readonly lookup?: Lookup;
}

export interface Webhooks {
  close(): Promise<void>;
}

const budgetLookEveryMs = 5_000;

/**
 * Tells URLs of batches that have ended, and of tiers that have spent their budget of the day. Which unfinished batches
 * somebody is to be told of is kept as empty files, so that one whose end no process has lived to tell is told later.
 * @throws UserError for a URL or a secret of the config that cannot be used.
 */
export async function openWebhooks(
  { config, fleet, batches, directory }: Pick<ServeContext, "config" | "fleet" | "batches" | "directory">,
  options: WebhookOptions,
): Promise<Webhooks> {
  const { url: usualUrl, secretEnv, allowPrivate } = config.serve.webhook;
  if (usualUrl !== undefined) {
    const refusal = refusalOfWebhookUrl(usualUrl, allowPrivate);
    if (refusal !== undefined) throw new UserError(`serve.webhook.url: ${refusal}`);
  }
  const folder = join(directory, "webhooks");
  const watched = join(folder, "watched");
  mkdirSync(watched, { recursive: true, mode: 0o700 });

  let secret: Promise<WebhookSecret> | undefined;
  function readSecret(): Promise<WebhookSecret> {
    secret ??= readWebhookSecret(directory, secretEnv).then((found) => {
      options.onNotice(`webhooks are signed with the secret in ${found.place}`);
      return found;
    });
    return secret;
  }
  // A secret that is wrong is told now and not when the first batch has ended.
  if (usualUrl !== undefined || secretEnv !== undefined) await readSecret();

  const poster = createEventPoster((address, host) => {
    const refusal = refusalOfAddress(address, allowPrivate);
    if (refusal === undefined) return undefined;
    return new AddressRefused(host === address ? refusal : `${host} leads to ${refusal}`);
  }, options.lookup);
  const outbox = openWebhookOutbox({
    directory: join(folder, "pending"),
    poster,
    secret: async () => (await readSecret()).webhook,
    ...options,
  });

  const urlFor = (record: BatchRecord): string | undefined => record.metadata.webhook_url ?? usualUrl;
  const markOf = (id: string): string => join(watched, id);

  function note(record: BatchRecord): void {
    const url = urlFor(record);
    const mark = markOf(record.id);
    if (finalStatuses.includes(record.status)) {
      if (url !== undefined) outbox.add(url, batchEvent(record));
      rmSync(mark, { force: true });
    } else if (url !== undefined && !existsSync(mark)) {
      writeFileSync(mark, "", { mode: 0o600 });
      readSecret().catch((error) => options.onNotice(messageOf(error)));
    }
  }
  const stopListening = batches.onChange((record) => {
    try {
      note(record);
    } catch (error) {
      // Its mark is still there, so it is told at the next start.
      options.onNotice(`webhook of ${record.id}: ${messageOf(error)}`);
    }
  });
  for (const record of batches.list()) {
    if (!finalStatuses.includes(record.status) || existsSync(markOf(record.id))) note(record);
  }
  for (const id of readdirSync(watched)) if (batches.get(id) === undefined) rmSync(markOf(id), { force: true });

  const told = join(folder, "budgets-told");
  mkdirSync(told, { recursive: true, mode: 0o700 });
  function lookAtBudgets(): void {
    if (usualUrl === undefined) return;
    const today = dayOf(Date.now());
    for (const { name, dailyBudgetUsd } of Object.values(config.tiers)) {
      const mark = join(told, `${name}.${today}`);
      if (dailyBudgetUsd === undefined || existsSync(mark)) continue;
      const notices = [...fleet.processes().values()].flatMap(({ tiers }) => tiers[name] ?? []);
      if (!notices.some(({ reason }) => reason !== undefined && saysDayBudgetIsReached(reason))) continue;
      outbox.add(usualUrl, budgetEvent(name, dailyBudgetUsd, Date.now()));
      for (const old of readdirSync(told)) if (!old.endsWith(today)) rmSync(join(told, old), { force: true });
      writeFileSync(mark, "", { mode: 0o600 });
    }
  }
  const lookingAtBudgets = setInterval(lookAtBudgets, budgetLookEveryMs);
  lookingAtBudgets.unref();

  return {
    async close() {
      clearInterval(lookingAtBudgets);
      stopListening();
      await outbox.close();
    },
  };
}

/** What is wrong with the URL that a batch's metadata name. @throws HttpError */
export function checkWebhookUrl(url: string, { serve }: Pick<Config, "serve">): void {
  const refuse = (why: string) => new HttpError(400, `metadata.webhook_url: ${why}`, { param: "metadata.webhook_url" });
  if (!isWebhookUrl(url))
    throw refuse("expected a URL that starts with https:// or http://, without user and password");
  const refusal = refusalOfWebhookUrl(url, serve.webhook.allowPrivate);
  if (refusal !== undefined) throw refuse(refusal);
}
