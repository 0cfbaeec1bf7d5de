import { createHash, randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { takeLock } from "../queue/lock-file.ts";
import { type FileAbout, FileInUse, type FileRecord, type Files, type ReceivedContent } from "./files.ts";
import { HttpError } from "./http-error.ts";

export interface OpenFilesOptions {
  /** Larger contents are refused. Default: none is. */
  readonly maxFileBytes?: number | undefined;
  /** Which batch reads that file, if any. */
  readonly readerOf?: (id: string) => string | undefined;
}

const idPattern = /^file-[0-9a-f]{32}$/;
const expiryLookEveryMs = 60_000;

export const newFileId = (): string => `file-${randomBytes(16).toString("hex")}`;

/**
 * A file is a folder `ID/` with `content` and `about.json`, made under `incoming/` and renamed into place: it is there
 * whole or not at all. What a killed process left under `incoming/` is removed by the next one that opens the directory.
 * Names that clients give are data only.
 */
export function openFiles(directory: string, options: OpenFilesOptions = {}): Files {
  const { maxFileBytes = Number.POSITIVE_INFINITY, readerOf = () => undefined } = options;
  const incoming = join(directory, "incoming");
  mkdirSync(incoming, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  removeLeftBehind(incoming);
  const own = randomBytes(8).toString("hex");
  const ownLock = takeLock(join(incoming, `${own}.lock`));
  const workshop = join(incoming, own);
  mkdirSync(workshop, { mode: 0o700 });
  const known = new Map<string, FileRecord>();

  async function receiveAs(id: string, content: Readable): Promise<ReceivedContent> {
    // Its end may come before anybody reads it; whoever reads it then is told.
    content.on("error", () => {});
    const made = join(workshop, id);
    mkdirSync(made, { mode: 0o700 });
    try {
      const written = await writeContent(join(made, "content"), content, maxFileBytes);
      return {
        drop: () => rm(made, { recursive: true, force: true }),
        async keep({ filename, purpose, owner, expiresAtMs }) {
          const record: FileRecord = { id, ...written, createdAtMs: Date.now(), expiresAtMs, filename, purpose, owner };
          writeFileSync(join(made, "about.json"), JSON.stringify(record), { mode: 0o600, flush: true });
          await setAside(id);
          await rename(made, join(directory, id));
          known.set(id, record);
          return record;
        },
      };
    } catch (error) {
      await rm(made, { recursive: true, force: true });
      throw error;
    }
  }

  /** A rename takes it away at once; a folder that is removed piece by piece could be found half empty. */
  async function setAside(id: string): Promise<void> {
    const aside = join(workshop, `${id}.${randomBytes(4).toString("hex")}`);
    try {
      await rename(join(directory, id), aside);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      throw error;
    }
    known.delete(id);
    await rm(aside, { recursive: true, force: true });
  }

  function get(id: string): FileRecord | undefined {
    if (!idPattern.test(id)) return undefined;
    let record = known.get(id);
    try {
      // Another server of the same directory may have removed it, or added it.
      record = JSON.parse(readFileSync(join(directory, id, "about.json"), "utf8")) as FileRecord;
      known.set(id, record);
    } catch {
      known.delete(id);
      return undefined;
    }
    return isExpired(record) && readerOf(id) === undefined ? undefined : record;
  }

  const isExpired = ({ expiresAtMs }: FileRecord): boolean => expiresAtMs !== undefined && expiresAtMs <= Date.now();

  const files: Files = {
    add: async (content, about) => (await receiveAs(newFileId(), content)).keep(about),
    receive: (content) => receiveAs(newFileId(), content),
    put: async (id, content, about: FileAbout) => (await receiveAs(id, content)).keep(about),
    get,
    list: () =>
      readdirSync(directory)
        .flatMap((id) => get(id) ?? [])
        .sort((one, other) => other.createdAtMs - one.createdAtMs || (one.id < other.id ? 1 : -1)),
    pathOf: (id) => join(directory, id, "content"),
    async remove(id) {
      const reader = readerOf(id);
      if (reader !== undefined) {
        throw new FileInUse(`batch ${reader} reads file ${id}; cancel it or wait for its end, then delete the file`);
      }
      await setAside(id);
    },
    close() {
      clearInterval(expiring);
      rmSync(workshop, { recursive: true, force: true });
      if (ownLock.held) ownLock.release();
    },
  };

  const expiring = setInterval(() => {
    for (const record of known.values())
      if (isExpired(record) && readerOf(record.id) === undefined) void setAside(record.id).catch(() => {});
  }, expiryLookEveryMs);
  expiring.unref();
  // What came before this start has its time too.
  files.list();
  return files;
}

async function writeContent(
  path: string,
  content: Readable,
  maxFileBytes: number,
): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  await using file = await open(path, "wx", 0o600);
  for await (const chunk of content) {
    const data = typeof chunk === "string" ? Buffer.from(chunk) : (chunk as Buffer);
    bytes += data.length;
    if (bytes > maxFileBytes) {
      throw new HttpError(
        413,
        `expected a file of at most ${maxFileBytes} bytes, found a larger one; split it, or raise serve.limits.maxFileBytes in the config`,
        { param: "file" },
      );
    }
    hash.update(data);
    await file.writeFile(data);
  }
  // Nothing that was cut off may look like a whole one.
  await finished(content, { writable: false });
  await file.sync();
  return { bytes, sha256: hash.digest("hex") };
}

/** Each process builds in a folder of its own, beside a lock that says whether it still lives. */
function removeLeftBehind(incoming: string): void {
  for (const name of readdirSync(incoming)) {
    if (!name.endsWith(".lock")) continue;
    const lock = takeLock(join(incoming, name));
    if (!lock.held) continue;
    rmSync(join(incoming, name.slice(0, -".lock".length)), { recursive: true, force: true });
    lock.release();
  }
}
