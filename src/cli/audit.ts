import { auditFolder, dataFolder } from "../config/environment.ts";
import { UserError } from "../job/errors.ts";
import { type AuditFilter, type AuditRecord, readAudit } from "../results/audit-read.ts";
import { hang, widthOf } from "./layout.ts";

export interface AuditFlags {
  readonly batch?: string;
  readonly row?: number;
  readonly model?: string;
  readonly tier?: string;
  readonly private?: boolean;
  readonly location?: string;
  readonly since?: string;
  readonly dataDir?: string;
  readonly json: boolean;
}

/** `promptfleet audit`: who was sent what, one line a call. */
export async function audit({ dataDir, json, since, ...wanted }: AuditFlags): Promise<number> {
  const filter: AuditFilter = { ...wanted, since: since === undefined ? undefined : sinceOf(since) };
  const directory = auditFolder(dataFolder(dataDir));
  let found = 0;
  for await (const record of readAudit(directory, filter)) {
    found++;
    await write(json ? JSON.stringify(record) : linesOf(record));
  }
  process.stderr.write(`${await summary(directory, filter, found)}\n`);
  return 0;
}

/** Waits for a slow reader, so that millions of lines do not pile up here. */
async function write(line: string): Promise<void> {
  if (process.stdout.write(`${line}\n`)) return;
  await new Promise((resolve) => process.stdout.once("drain", resolve));
}

/** One line for who reads them by program, hanging ones on a terminal. */
function linesOf({ time, batch, row, attempt, tier, model, host, location, prompt, ...record }: AuditRecord): string {
  const marks = record.private ? `${location} private` : location;
  const what = `${batch} row ${row} attempt ${attempt}  ${tier} ${model} at ${host}  ${marks}  ${prompt.slice(0, 16)}`;
  return process.stdout.isTTY ? hang(`${time}  `, what, widthOf(process.stdout)).join("\n") : `${time}  ${what}`;
}

async function summary(directory: string, filter: AuditFilter, found: number): Promise<string> {
  if (filter.private === true && filter.location === "cloud") {
    const { private: isPrivate, location, ...rest } = filter;
    const calls = await count(directory, { ...rest, private: isPrivate });
    if (found === 0)
      return `no private row left this machine's local tiers: ${callsText(calls)} of private rows on record, none to a cloud`;
    return `${callsText(found)} of private rows went to a cloud; that must never be: please report it`;
  }
  return `${callsText(found)} on record in ${directory}`;
}

async function count(directory: string, filter: AuditFilter): Promise<number> {
  let found = 0;
  for await (const _record of readAudit(directory, filter)) found++;
  return found;
}

const callsText = (calls: number): string => (calls === 1 ? "1 call" : `${calls} calls`);

/** `--since`: a date, a time, or how long ago. */
function sinceOf(text: string, now = new Date()): Date {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(s|m|h|d)$/.exec(text) ?? [];
  const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit ?? ""];
  const since = unitMs === undefined ? new Date(text) : new Date(now.getTime() - Number(amount) * unitMs);
  if (Number.isNaN(since.getTime())) {
    throw new UserError(
      `--since: expected a date such as 2026-11-24, a time such as 2026-11-24T09:00Z, or how long ago such as 2h or 3d; found "${text}"`,
    );
  }
  return since;
}
