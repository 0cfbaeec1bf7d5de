import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type AuditHead, sealPrefix } from "./audit-lines.ts";

/** The part of a process' chain that lies in one day's folder. */
export interface ChainFile {
  readonly chain: string;
  readonly day: string;
  readonly processId: string;
  readonly path: string;
  readonly headPath: string;
}

const dayPattern = /^\d{4}-\d\d-\d\d$/;

function daysOf(directory: string): string[] {
  return existsSync(directory)
    ? readdirSync(directory)
        .filter((name) => dayPattern.test(name))
        .sort()
    : [];
}

function chainsOfDay(directory: string, day: string): ChainFile[] {
  const names = readdirSync(join(directory, day)).flatMap((name) => /^(.+)\.(?:jsonl|head)$/.exec(name)?.[1] ?? []);
  return [...new Set(names)].sort().map((processId) => {
    const base = join(directory, day, processId);
    return { chain: `${day}/${processId}`, day, processId, path: `${base}.jsonl`, headPath: `${base}.head` };
  });
}

/** All files, also those of which only the head is left, by day. */
export function listChainFiles(directory: string): ChainFile[] {
  return daysOf(directory).flatMap((day) => chainsOfDay(directory, day));
}

/** Ends of other chains that a new one repeats. Each is repeated by as many as come next, so a few suffice. */
const mostEnds = 8;

/** Where the latest chains of other processes end. */
export function chainEnds(directory: string, exceptProcess: string): AuditHead[] {
  const latest = daysOf(directory)
    .slice(-2)
    .flatMap((day) => chainsOfDay(directory, day))
    .filter(({ processId }) => processId !== exceptProcess)
    .map((file) => ({ file, changedMs: statSync(file.headPath, { throwIfNoEntry: false })?.mtimeMs ?? 0 }))
    .sort((one, other) => other.changedMs - one.changedMs);
  return latest.slice(0, mostEnds).flatMap(({ file }) => readHead(file) ?? []);
}

/** What a chain's head file says; undefined without one, or when it says nothing that can be read. */
export function readHead({ chain, headPath }: ChainFile): AuditHead | undefined {
  try {
    const { seal, hash } = JSON.parse(readFileSync(headPath, "utf8")) as { seal: unknown; hash: unknown };
    return typeof seal === "number" && typeof hash === "string" ? { chain, seal, hash } : undefined;
  } catch {
    return undefined;
  }
}

/** Lines that one seal covers; the last group of a file may have none. */
export interface ChainGroup {
  /** Whole lines with their line ends. */
  readonly bytes: Buffer;
  readonly firstLine: number;
  /** The line of the seal with its end; undefined for what no seal covers. */
  readonly sealText: string | undefined;
}

/** Reads a file's groups in order. */
export async function* readGroups(path: string): AsyncGenerator<ChainGroup> {
  let rest: Buffer = Buffer.alloc(0);
  let line = 1;
  let firstLine = 1;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    const data = Buffer.concat([rest, chunk as Buffer]);
    let groupStart = 0;
    // What was looked through before without finding a seal is looked through again: groups are small.
    line = firstLine;
    let start = 0;
    for (let end = data.indexOf(10); end !== -1; end = data.indexOf(10, start)) {
      if (data.toString("latin1", start, start + sealPrefix.length) === sealPrefix) {
        const sealText = data.toString("utf8", start, end + 1);
        yield { bytes: data.subarray(groupStart, start), firstLine, sealText };
        groupStart = end + 1;
        firstLine = line + 1;
      }
      start = end + 1;
      line++;
    }
    rest = Buffer.from(data.subarray(groupStart));
  }
  if (rest.length > 0) yield { bytes: rest, firstLine, sealText: undefined };
}

/** The lines of a group as objects; what is no JSON object is left out. */
export function linesOf({ bytes }: ChainGroup): Record<string, unknown>[] {
  return bytes
    .toString("utf8")
    .split("\n")
    .flatMap((text) => {
      try {
        const value: unknown = JSON.parse(text);
        return typeof value === "object" && value !== null ? [value as Record<string, unknown>] : [];
      } catch {
        return [];
      }
    });
}
