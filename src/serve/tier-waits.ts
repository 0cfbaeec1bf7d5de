import type { Fleet } from "../fleet.ts";

/** Why rows of a tier wait, as the processes that work it say; undefined when they just wait their turn. */
export function tierWaits(fleet: Pick<Fleet, "processes">, tier: string): string | undefined {
  const notices = [...fleet.processes().values()].flatMap(({ tiers }) => tiers[tier] ?? []);
  if (notices.length === 0) return "no process works this tier";
  const reasons = new Set(notices.flatMap(({ reason }) => reason ?? []));
  return reasons.size === 0 ? undefined : [...reasons].join("; ");
}
