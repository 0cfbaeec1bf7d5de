import { existsSync } from "node:fs";
import type { AuditedCall } from "../job/audited-call.ts";
import { linesOf, listChainFiles, readGroups } from "./audit-chains.ts";

/** One call as it is on record. */
export interface AuditRecord extends Omit<AuditedCall, "messages"> {
  readonly time: string;
  /** Keyed hash of the messages. */
  readonly prompt: string;
}

/** What is looked for; what is not named does not matter. */
export interface AuditFilter {
  readonly batch?: string | undefined;
  readonly row?: number | undefined;
  /** An alias, or a provider's id. */
  readonly model?: string | undefined;
  readonly tier?: string | undefined;
  readonly private?: boolean | undefined;
  readonly location?: string | undefined;
  readonly since?: Date | undefined;
}

/** The sealed records that fit, day by day and process by process, and how many there are in all. */
export async function* readAudit(directory: string, filter: AuditFilter): AsyncGenerator<AuditRecord> {
  const since = filter.since?.toISOString() ?? "";
  for (const { day, path } of listChainFiles(directory)) {
    if (day < since.slice(0, 10) || !existsSync(path)) continue;
    for await (const group of readGroups(path)) {
      // What no seal covers was not sent.
      if (group.sealText === undefined) continue;
      for (const line of linesOf(group)) {
        const record = line as unknown as AuditRecord;
        if (typeof line.batch === "string" && fits(record, filter, since)) yield record;
      }
    }
  }
}

function fits(record: AuditRecord, { model, ...wanted }: AuditFilter, since: string): boolean {
  if (record.time < since) return false;
  if (model !== undefined && record.model !== model && record.alias !== model) return false;
  return (["batch", "row", "tier", "private", "location"] as const).every(
    (field) => wanted[field] === undefined || record[field] === wanted[field],
  );
}
