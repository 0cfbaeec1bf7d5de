import { existsSync } from "node:fs";
import { join } from "node:path";
import { auditFolder, dataFolder, redisUrl } from "../config/environment.ts";
import { loadConfig } from "../config/load.ts";
import { messageOf, UserError } from "../job/errors.ts";
import { joinRedis } from "../join-redis.ts";
import { fleetNames } from "../queue/names.ts";
import { identityOfThisProcess, isRunning } from "../queue/process-identity.ts";
import { type AuditHead, readHeadName } from "../results/audit-lines.ts";
import { readPublishedHeads } from "../results/audit-trail.ts";
import { verifyAudit, type Witnessed } from "../results/audit-verify.ts";

export interface AuditVerifyFlags {
  readonly head: readonly string[];
  readonly config?: string;
  readonly fleet?: string;
  readonly redis?: string;
  readonly dataDir?: string;
  readonly json: boolean;
}

/** `promptfleet audit verify`: 0 when the audit is whole, 2 when something was edited, cut or removed. */
export async function auditVerify(flags: AuditVerifyFlags): Promise<number> {
  const dataDirectory = dataFolder(flags.dataDir);
  const directory = auditFolder(dataDirectory);
  const given = flags.head.map((name): Witnessed => ({ ...headOf(name), by: "--head" }));
  const fromRedis = await headsInRedis(flags, dataDirectory);
  const witnessed = [...given, ...fromRedis.heads.map((head): Witnessed => ({ ...head, by: "Redis" }))];
  const verdict = await verifyAudit(directory, witnessed, isRunning);
  const notes = [...verdict.notes, ...fromRedis.notes];
  const { chains, records, problems } = verdict;
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ whole: problems.length === 0, chains, records, problems, notes })}\n`);
  } else {
    for (const problem of problems) process.stdout.write(`${problem}\n`);
    for (const note of notes) process.stderr.write(`note: ${note}\n`);
    const counted = `${counting(records, "call")} in ${counting(chains, "chain")}`;
    const end =
      problems.length > 0
        ? `the audit was changed: ${counting(problems.length, "finding")}`
        : chains === 0
          ? "there is no audit yet"
          : "the audit is whole";
    process.stdout.write(`${end} (${counted}, ${directory})\n`);
  }
  return problems.length === 0 ? 0 : 2;
}

const counting = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

function headOf(name: string): AuditHead {
  const head = readHeadName(name);
  if (head !== undefined) return head;
  throw new UserError(`--head: expected DAY/PROCESS:SEAL:HASH as "audit_head" of a run's summary, found "${name}"`);
}

/** The heads that Redis knows; the files can be verified without it, if less surely. */
async function headsInRedis(
  { config, fleet, redis: url, dataDir }: AuditVerifyFlags,
  dataDirectory: string,
): Promise<{ readonly heads: readonly AuditHead[]; readonly notes: readonly string[] }> {
  // Looking must not make a data directory.
  if (redisUrl(url) === undefined && !existsSync(join(dataDirectory, "redis"))) return { heads: [], notes: [] };
  try {
    const loaded = await loadConfig({ configPath: config, fleet });
    const joined = await joinRedis({ url, dataDirectory: dataFolder(dataDir) });
    const { connectRedis } = await import("../queue/connection.ts");
    const redis = connectRedis(joined.address, "audit");
    try {
      const place = { machine: identityOfThisProcess().host, directory: auditFolder(dataDirectory) };
      return { heads: await readPublishedHeads(redis, fleetNames(loaded.fleet), place), notes: [] };
    } finally {
      redis.disconnect();
      await joined.leave();
    }
  } catch (error) {
    return { heads: [], notes: [`without what Redis knows: ${messageOf(error)}`] };
  }
}
