import { hash } from "node:crypto";
import { closeSync, constants, fdatasync, fdatasyncSync, ftruncateSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type FolderWatch, watchFolder } from "../config/folder-watch.ts";
import type { AuditedCall } from "../job/audited-call.ts";
import { messageOf } from "../job/errors.ts";
import { chainEnds } from "./audit-chains.ts";
import { readAuditKey } from "./audit-key.ts";
import { type AuditHead, firstLink, headText, sealHash, sealLine } from "./audit-lines.ts";

/** The chain of one process. */
export interface AuditChain {
  /** Puts a call on record, resolves to undefined once it is in the file, else to why nothing may be sent. */
  note(call: AuditedCall): Promise<string | undefined>;
  /** Repeats the ends of other chains, so that they cannot be cut unseen. */
  witness(heads: readonly AuditHead[]): void;
  /** Its end; undefined while nothing was noted. */
  head(): AuditHead | undefined;
  /** Seals it for good. */
  close(): void;
}

export interface AuditOptions {
  /** `DATA_DIR/audit`. */
  readonly directory: string;
  readonly processId: string;
  /** Names the process beyond its pid, so that a reader can tell whether it still runs. */
  readonly identity: { readonly host: string; readonly pid: number; readonly startedAt: string };
  /** The clock, for tests. */
  readonly now?: () => Date;
}

const syncAfterMs = 500;
/** Without O_APPEND: a group that could not be written whole is written over. */
const writing = constants.O_WRONLY | constants.O_CREAT;

interface OpenFile {
  readonly day: string;
  readonly file: number;
  readonly headFile: number;
  size: number;
  syncing: boolean;
}

interface Group {
  readonly lines: string[];
  readonly done: Promise<string | undefined>;
  readonly resolve: (trouble: string | undefined) => void;
}

/**
 * Opens the audit of this process; files are made with the first call. Every row passes here, so what one turn of the
 * event loop sends becomes one append and one link of the chain, and the disk is synced by a timer: a killed process
 * loses nothing, a power cut at most half a second, which the heads show.
 */
export function openAudit({ directory, processId, identity, now = () => new Date() }: AuditOptions): AuditChain {
  let key: string | undefined;
  let open: OpenFile | undefined;
  let disk: FolderWatch | undefined;
  let group: Group | undefined;
  let seal = 0;
  let link = firstLink(processId);
  let end: AuditHead | undefined;
  let closed = false;

  /** Writes lines and their seal, and then where the chain ends; a failed write leaves the file as it was. */
  function append(target: OpenFile, lines: readonly string[]): void {
    const text = lines.join("");
    const next = sealHash(link, text, seal + 1);
    const bytes = Buffer.from(text + sealLine(seal + 1, next));
    try {
      for (let written = 0; written < bytes.length; )
        written += writeSync(target.file, bytes, written, bytes.length - written, target.size + written);
      writeSync(target.headFile, headText(seal + 1, next), 0);
    } catch (error) {
      ftruncateSync(target.file, target.size);
      throw error;
    }
    target.size += bytes.length;
    seal++;
    link = next;
    end = { chain: `${target.day}/${processId}`, seal, hash: link };
    if (!target.syncing) syncLater(target);
  }

  function syncLater(target: OpenFile): void {
    target.syncing = true;
    setTimeout(() => {
      target.syncing = false;
      if (open === target) fdatasync(target.file, () => {});
    }, syncAfterMs).unref();
  }

  /** The file of this day; the one of the day before says that it goes on here. */
  function fileOf(day: string): OpenFile {
    const gone = open?.day === day ? disk?.trouble() : disk?.look();
    if (gone !== undefined) throw new Error(gone);
    if (open?.day === day) return open;
    key ??= readAuditKey(directory);
    const folder = join(directory, day);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    disk ??= watchFolder(directory);
    const others = chainEnds(directory, processId);
    const before = open;
    if (before !== undefined) {
      append(before, [`${JSON.stringify({ goesOn: day })}\n`]);
      shut();
    }
    const opening = { open: processId, ...identity, version: 1, after: seal, others };
    const path = join(folder, processId);
    const file = openSync(`${path}.jsonl`, writing, 0o600);
    const opened = { day, file, headFile: openSync(`${path}.head`, writing, 0o600), size: 0, syncing: false };
    try {
      append(opened, [`${JSON.stringify(opening)}\n`]);
    } catch (error) {
      closeFiles(opened);
      throw error;
    }
    open = opened;
    return opened;
  }

  function shut(): void {
    if (open === undefined) return;
    fdatasyncSync(open.file);
    closeFiles(open);
    open = undefined;
  }

  function flush(): void {
    const { lines, resolve } = group!;
    group = undefined;
    try {
      const time = now().toISOString();
      const target = fileOf(time.slice(0, 10));
      append(
        target,
        lines.map((line) => `{"time":"${time}",${line}`),
      );
      resolve(undefined);
    } catch (error) {
      resolve(troubleOf(error));
    }
  }

  const troubleOf = (error: unknown): string =>
    `the audit in ${directory} cannot be written (${messageOf(error)}), and nothing is sent without it`;

  function gather(line: string): Promise<string | undefined> {
    if (group === undefined) {
      const { promise, resolve } = Promise.withResolvers<string | undefined>();
      group = { lines: [], done: promise, resolve };
      setImmediate(flush);
    }
    group.lines.push(line);
    return group.done;
  }

  function keyedHash(messages: unknown): string {
    key ??= readAuditKey(directory);
    const text = JSON.stringify(messages);
    // The length in front makes this a keyed hash that nobody can extend, at the cost of one.
    return hash("sha256", `${key}${text.length}:${text}`);
  }

  return {
    note(call) {
      if (closed) return Promise.resolve("the audit of this process is closed");
      try {
        return gather(recordOf(call, keyedHash(call.messages)));
      } catch (error) {
        return Promise.resolve(troubleOf(error));
      }
    },
    witness(heads) {
      if (open === undefined || closed || heads.length === 0) return;
      void gather(`${JSON.stringify({ witness: heads }).slice(1)}\n`);
    },
    head: () => end,
    close() {
      if (group !== undefined) flush();
      closed = true;
      if (open === undefined) return;
      try {
        append(open, [`${JSON.stringify({ close: now().toISOString() })}\n`]);
      } catch {
        // A full disk: the chain ends as that of a killed process does.
      }
      shut();
    },
  };
}

/** A record's line after its time. Fields are named one by one, so that no other can get in. */
function recordOf(call: AuditedCall, prompt: string): string {
  const { batch, row, attempt, tier, model, alias, host, location, private: isPrivate } = call;
  const record = { batch, row, attempt, tier, model, alias, host, location, private: isPrivate, prompt };
  return `${JSON.stringify(record).slice(1)}\n`;
}

function closeFiles({ file, headFile }: OpenFile): void {
  closeSync(file);
  closeSync(headFile);
}
