import type { ProcessNotice } from "./process-notice.ts";

/** A fleet, as far as its processes say how they work. */
interface Working {
  processes(): ReadonlyMap<string, ProcessNotice>;
}

/** Why rows of a tier wait, as the processes that work it say; undefined when they just wait their turn. */
export function tierWaits(fleet: Working, tier: string): string | undefined {
  const notices = [...fleet.processes().values()].flatMap(({ tiers }) => tiers[tier] ?? []);
  if (notices.length === 0) return "no process works this tier";
  const reasons = new Set(notices.flatMap(({ reason }) => reason ?? []));
  return reasons.size === 0 ? undefined : [...reasons].join("; ");
}
