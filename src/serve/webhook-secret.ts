import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Webhook } from "standardwebhooks";
import type { Environment } from "../config/environment.ts";
import { findKeys, keyPlaces } from "../config/keys.ts";
import { UserError } from "../job/errors.ts";

export interface WebhookSecret {
  readonly webhook: Webhook;
  /** Where it is, for who is to verify what is signed with it. */
  readonly place: string;
}

/**
 * The secret of the variable that the config names, else one that is made once and kept in a file.
 * @throws UserError when the variable is not set or holds none.
 */
export async function readWebhookSecret(
  directory: string,
  variable: string | undefined,
  environment?: Environment,
): Promise<WebhookSecret> {
  if (variable === undefined) {
    const place = join(directory, "webhook-secret");
    return { webhook: new Webhook(keptSecret(place)), place };
  }
  const found = (await findKeys([variable], environment)).get(variable);
  if (found === undefined) {
    throw new UserError(
      `serve.webhook.secretEnv names ${variable}, which is not set (looked in: ${keyPlaces}): set it to whsec_ and 24 to 64 bytes in base64, or leave secretEnv out and one is made`,
    );
  }
  if (!isSecret(found.value)) {
    throw new UserError(
      `${variable} (${found.place}) must be whsec_ and 24 to 64 bytes in base64, such as: echo "whsec_$(openssl rand -base64 32)"`,
    );
  }
  return { webhook: new Webhook(found.value), place: `${variable} (${found.place})` };
}

function isSecret(value: string): boolean {
  const text = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(value)?.[1];
  const { length } = Buffer.from(text ?? "", "base64");
  return length >= 24 && length <= 64;
}

/** Two servers of one directory may make it at once: the first one's holds. */
function keptSecret(path: string): string {
  const fresh = `whsec_${randomBytes(32).toString("base64")}`;
  try {
    writeFileSync(path, `${fresh}\n`, { mode: 0o600, flag: "wx", flush: true });
    return fresh;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const kept = readFileSync(path, "utf8").trim();
  if (!isSecret(kept)) throw new UserError(`${path} holds no webhook secret any more: remove it, and one is made anew`);
  return kept;
}
