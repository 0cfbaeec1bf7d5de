import type { Outcome } from "../job/outcome.ts";

/** Many rows meet a bad key at once: its place is looked at once for all of them. */
const lookEveryMs = 2_000;

export interface KeyRotation {
  /** To be told of every outcome of a call and of a probe. */
  note(outcome: Outcome): void;
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

  async function look(): Promise<void> {
    const found = await reread();
    if (found === undefined || found === key) return;
    key = found;
    onNewKey(found);
  }

  return {
    note(outcome) {
      if (outcome.kind !== "unavailable" || outcome.reason !== "bad-key") return;
      if (now() - lookedAtMs < lookEveryMs) return;
      lookedAtMs = now();
      // A key file that may not be read leaves things as they are: the tier's reason says where the key belongs.
      look().catch(() => {});
    },
  };
}
