import { constants, type Stats } from "node:fs";
import { access, type FileHandle, open, readlink, rename, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { createGzip } from "node:zlib";
import { messageOf, UserError } from "../job/errors.ts";

/** Writing OUTPUT failed. Answers that were recorded are safe in the segments, so the same command goes on from there. */
export class OutputError extends UserError {}

/** Where the lines of an output go. */
export interface OutputWriter {
  /** Without its line end. A promise means: wait for it before the next line. @throws OutputError */
  write(line: string): Promise<void> | void;
  /** Puts the whole output where it belongs; it is safe on disk when this resolves. @throws OutputError */
  commit(): Promise<void>;
  /** Leaves no trace. */
  abort(): Promise<void>;
}

const knownNames = "expected a name that ends in .jsonl, .jsonl.gz, .csv or .csv.gz, or - for standard output";
const batchCharacters = 256 * 1024;

/**
 * Finds what would keep an output from being written, before anything is asked.
 * @throws UserError
 */
export async function checkOutputTarget(path: string): Promise<void> {
  if (path === "-") return;
  const found = await statOf(path);
  if (found?.isDirectory()) {
    throw new UserError(`expected a file for the output, found the folder ${path}; name a file in it`);
  }
  if (!/.\.(jsonl|csv)(\.gz)?$/.test(path)) {
    throw new UserError(`cannot tell the format of the output ${path}: ${knownNames}`);
  }
  if (found !== undefined && !found.isFile()) {
    throw new UserError(`expected a plain file or nothing at ${path}, found a device or pipe; use - and the shell's >`);
  }
  const folder = dirname(await realTarget(path));
  const folderFound = await statOf(folder);
  if (folderFound === undefined) {
    throw new UserError(`the folder of the output, ${folder}, is not there; create it: mkdir -p ${folder}`);
  }
  if (!folderFound.isDirectory()) throw new UserError(`expected a folder for the output, found the file ${folder}`);
  try {
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw explain(error, `write in the folder of the output, ${folder}`);
  }
}

/**
 * Opens an output. A file is written beside its place and renamed into it by `commit()`, so that it exists only whole.
 * A reader of standard output that goes away is no error: the rest is dropped.
 * @param path of a file that `checkOutputTarget` accepts, or "-".
 * @throws OutputError
 */
export async function openOutput(path: string, stdout: NodeJS.WritableStream = process.stdout): Promise<OutputWriter> {
  return path === "-" ? openStandardOutput(stdout) : openFile(path);
}

async function openFile(path: string): Promise<OutputWriter> {
  const target = await realTarget(path);
  const temporary = `${target}.part.tmp`;
  const failed = (error: unknown) => explain(error, `write ${path}`);
  let file: FileHandle;
  try {
    file = await open(temporary, "w");
  } catch (error) {
    throw failed(error);
  }
  const sink = path.endsWith(".gz") ? gzipInto(file) : plainInto(file);
  let batch = "";

  async function flush(): Promise<void> {
    const text = batch;
    batch = "";
    try {
      await sink.write(text);
    } catch (error) {
      throw failed(error);
    }
  }

  return {
    write(line) {
      batch += `${line}\n`;
      return batch.length < batchCharacters ? undefined : flush();
    },
    async commit() {
      await flush();
      try {
        await sink.end();
        await file.sync();
        await file.close();
        await rename(temporary, target);
        await syncFolder(dirname(target));
      } catch (error) {
        throw failed(error);
      }
    },
    async abort() {
      batch = "";
      await sink.end().catch(() => {});
      await file.close().catch(() => {});
      await rm(temporary, { force: true });
    },
  };
}

interface Sink {
  write(text: string): Promise<void>;
  end(): Promise<void>;
}

function plainInto(file: FileHandle): Sink {
  return {
    write: (text) => file.appendFile(text),
    end: async () => {},
  };
}

function gzipInto(file: FileHandle): Sink {
  const gzip = createGzip();
  const written = (async () => {
    for await (const chunk of gzip) await file.appendFile(chunk as Buffer);
  })();
  // Whoever writes or ends next is told.
  written.catch(() => {});
  return {
    async write(text) {
      const compressed = new Promise<void>((resolve, reject) => {
        gzip.write(text, (error) => (error ? reject(error) : resolve()));
      });
      compressed.catch(() => {});
      await Promise.race([compressed, written]);
    },
    async end() {
      gzip.end();
      await written;
    },
  };
}

function openStandardOutput(stdout: NodeJS.WritableStream): OutputWriter {
  let failure: Error | undefined;
  let wake = () => {};
  const onError = (error: Error): void => {
    failure = error;
    wake();
  };
  stdout.on("error", onError);

  function check(): boolean {
    if (failure === undefined) return true;
    if ((failure as NodeJS.ErrnoException).code === "EPIPE") return false;
    throw explain(failure, "write to standard output");
  }

  return {
    write(line) {
      if (!check() || stdout.write(`${line}\n`)) return;
      return new Promise<void>((resolve) => {
        wake = resolve;
        stdout.once("drain", resolve);
      });
    },
    async commit() {
      if (check()) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          stdout.write("", () => resolve());
        });
        check();
      }
    },
    async abort() {},
  };
}

/** The file behind a symbolic link, so that the link stays one. */
async function realTarget(path: string): Promise<string> {
  const link = await readlink(path).catch(() => undefined);
  return link === undefined ? path : realTarget(resolve(dirname(path), link));
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw explain(error, `look at ${path}`);
  }
}

/** Makes the rename last; file systems that cannot sync a folder need not. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  await handle.sync().catch(() => {});
  await handle.close();
}

function explain(error: unknown, what: string): OutputError {
  const again = "then run the same command again, which goes on from here";
  switch ((error as NodeJS.ErrnoException).code) {
    case "ENOSPC":
    case "EDQUOT":
      return new OutputError(`cannot ${what}: no space is left; free some, ${again}`);
    case "EROFS":
      return new OutputError(`cannot ${what}: the file system is read-only; choose another place`);
    case "EACCES":
    case "EPERM":
      return new OutputError(
        `cannot ${what}: permission denied; make it writable for this user, or choose another place`,
      );
    case "ENOENT":
      return new OutputError(`cannot ${what}: its folder is not there any more; create it, ${again}`);
    default:
      return new OutputError(`cannot ${what}: ${messageOf(error)}; mend that, ${again}`);
  }
}
