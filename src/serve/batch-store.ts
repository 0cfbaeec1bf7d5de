import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { type BatchRecord, finalStatuses } from "./batch-record.ts";

/** Where a batch's files lie: `DATA_DIR/serve/batches/ID/`. */
export interface BatchPlace {
  readonly directory: string;
  /** Segments, state and lock lie beside it, as beside the OUTPUT of a run. */
  readonly workPath: string;
  /** Every row's result in input order; there only when it is whole. */
  readonly resultsPath: string;
  /** Rows that came in the request itself. */
  readonly inputPath: string;
}

/** What a client wants of a batch that another server of the same directory runs. */
export interface BatchWish {
  readonly isCancelled?: boolean;
  readonly paused?: boolean;
  readonly weight?: number;
}

/** Records on disk; what one server writes, another of the same directory reads. */
export interface BatchStore {
  placeOf(id: string): BatchPlace;
  /**
   * The batch is there whole, with its lines, or not at all. Lines that come here were looked at on their way: nothing is
   * left to validate of them.
   */
  create(record: BatchRecord, lines: AsyncIterable<string> | undefined): Promise<BatchRecord>;
  /** @param isMilestone a new status, which must survive a power cut. Default true. */
  write(record: BatchRecord, isMilestone?: boolean): void;
  read(id: string): BatchRecord | undefined;
  ids(): string[];
  /** Leaves a note for the server that runs it. */
  leaveWish(id: string, wish: BatchWish): void;
  /** The notes that were left, oldest first; each is taken once. */
  takeWishes(id: string): BatchWish[];
  remove(id: string): void;
}

const idPattern = /^(?:batch|msgbatch)_[0-9a-f]{32}$/;
const abandonedAfterMs = 86_400_000;

export const newBatchId = (api: BatchRecord["api"]): string =>
  `${api === "openai" ? "batch" : "msgbatch"}_${randomBytes(16).toString("hex")}`;

export function openBatchStore(directory: string): BatchStore {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  removeAbandoned(directory);
  const recordPath = (folder: string) => join(folder, "BATCH.json");
  /** What has ended changes no more; there may be thousands of them, and somebody lists them every second. */
  const ended = new Map<string, BatchRecord>();

  function writeRecord(folder: string, record: BatchRecord, isMilestone: boolean): void {
    const path = recordPath(folder);
    const file = openSync(`${path}.tmp`, "w", 0o600);
    writeSync(file, `${JSON.stringify(record, null, 2)}\n`);
    if (isMilestone) fsyncSync(file);
    closeSync(file);
    renameSync(`${path}.tmp`, path);
  }

  return {
    placeOf(id) {
      const folder = join(directory, id);
      return {
        directory: folder,
        workPath: join(folder, "rows"),
        resultsPath: join(folder, "results.jsonl"),
        inputPath: join(folder, "input.jsonl"),
      };
    },
    async create(record, lines) {
      const making = join(directory, `.new-${record.id}`);
      mkdirSync(making, { mode: 0o700 });
      try {
        const rows = lines === undefined ? undefined : await writeLines(join(making, "input.jsonl"), lines);
        const created = rows === undefined ? record : inProgress(record, rows);
        writeRecord(making, created, true);
        renameSync(making, join(directory, record.id));
        return created;
      } catch (error) {
        rmSync(making, { recursive: true, force: true });
        throw error;
      }
    },
    write(record, isMilestone = true) {
      writeRecord(join(directory, record.id), record, isMilestone);
    },
    read(id) {
      if (!idPattern.test(id)) return undefined;
      const path = recordPath(join(directory, id));
      const before = ended.get(id);
      // Another server of the same directory may have removed it.
      if (before !== undefined && existsSync(path)) return before;
      try {
        const record = JSON.parse(readFileSync(path, "utf8")) as BatchRecord;
        if (finalStatuses.includes(record.status)) ended.set(id, record);
        return record;
      } catch {
        ended.delete(id);
        return undefined;
      }
    },
    leaveWish(id, wish) {
      const name = `wish-${Date.now()}-${randomBytes(4).toString("hex")}`;
      const path = join(directory, id, name);
      writeFileSync(`${path}.tmp`, JSON.stringify(wish), { mode: 0o600 });
      renameSync(`${path}.tmp`, path);
    },
    takeWishes(id) {
      const folder = join(directory, id);
      const names = readdirSync(folder).filter((name) => /^wish-\d+-[0-9a-f]+$/.test(name));
      return names.sort().map((name) => {
        const wish = JSON.parse(readFileSync(join(folder, name), "utf8")) as BatchWish;
        rmSync(join(folder, name));
        return wish;
      });
    },
    // A disk that went has none to tell of.
    ids: () => (existsSync(directory) ? readdirSync(directory).filter((name) => idPattern.test(name)) : []),
    remove(id) {
      const aside = join(directory, `.new-${id}`);
      ended.delete(id);
      renameSync(join(directory, id), aside);
      rmSync(aside, { recursive: true, force: true });
    },
  };
}

function inProgress(record: BatchRecord, total: number): BatchRecord {
  const reachedAtMs = { ...record.reachedAtMs, in_progress: Date.now() };
  return { ...record, status: "in_progress", reachedAtMs, counts: { ...record.counts, total } };
}

const textPerWrite = 256 * 1024;

/** How many there are. */
async function writeLines(path: string, lines: AsyncIterable<string>): Promise<number> {
  await using file = await open(path, "wx", 0o600);
  let [count, text] = [0, ""];
  for await (const line of lines) {
    count++;
    text += `${line}\n`;
    if (text.length < textPerWrite) continue;
    await file.appendFile(text);
    text = "";
  }
  await file.appendFile(text);
  await file.sync();
  return count;
}

/** What a kill left in the middle of making or removing a batch; another server may be at a younger one. */
function removeAbandoned(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (!name.startsWith(".new-")) continue;
    const path = join(directory, name);
    if (existsSync(path) && statSync(path).mtimeMs < Date.now() - abandonedAfterMs)
      rmSync(path, { recursive: true, force: true });
  }
}
