import { messageOf } from "../job/errors.ts";
import type { Outcome } from "../job/outcome.ts";

/** Many rows meet a bad key at once: its place is looked at once for all of them. */
const lookEveryMs = 2_000;

export interface KeyRotation {
  /** To be told of every outcome of a call and of a probe. */
  note(outcome: Outcome): void;
  /** Why the key could not be looked up when it was tried last, such as a key file that others can read. */
  trouble(): string | undefined;
}

/** Looks the key up again when it is refused, and says so when there is another one. */
export function createKeyRotation(
  firstKey: string | undefined,
  reread: () => Promise<string | undefined>,
  onNewKey: (key: string) => void,
  now: () => number = Date.now,
): KeyRotation {
  let key = firstKey;
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  let trouble: string | undefined;

  async function look(): Promise<void> {
    const found = await reread();
    trouble = undefined;
    if (found === undefined || found === key) return;
    key = found;
    onNewKey(found);
  }

  return {
    trouble: () => trouble,
    note(outcome) {
      if (outcome.kind !== "unavailable" || outcome.reason !== "bad-key") return;
      if (now() - lookedAtMs < lookEveryMs) return;
      lookedAtMs = now();
      look().catch((error: unknown) => {
        trouble = messageOf(error);
      });
    },
  };
}
