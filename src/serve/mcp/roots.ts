import { constants } from "node:fs";
import { type FileHandle, open, realpath } from "node:fs/promises";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { reasonOf } from "../../intake/explain-error.ts";
import { UserError } from "../../job/errors.ts";

/** The folders whose files a client may name; none where client and server need not be on one machine. */
export interface Roots {
  /** The path of a file that is there. @throws UserError for one outside of the folders, and for no plain file. */
  fileAt(path: string): Promise<string>;
  /** Makes a new file, readable by this user only. @throws UserError for one outside of the folders, or one that is there. */
  create(path: string): Promise<{ readonly path: string; readonly file: FileHandle }>;
}

export const noRoots: Roots = {
  fileAt: refuseAll,
  create: refuseAll,
};

async function refuseAll(): Promise<never> {
  throw new UserError("this server reads and writes no files for its clients: send the text or the rows themselves");
}

/** @param folders absolute; relative paths begin at the first of them. */
export function createRoots(folders: readonly string[]): Roots {
  /** A path that leads nowhere but into one of the folders: no `..`, no symbolic link below it. */
  async function insideOf(path: string, isNew: boolean): Promise<string> {
    const shown = path.slice(0, 200);
    if (path.includes("\0")) throw new UserError("expected the path of a file, found one with a null byte");
    if (path.split(/[\\/]/).includes(".."))
      throw new UserError(`${shown}: expected a path without "..", found one with it`);
    for (const folder of folders) {
      const wanted = isAbsolute(path) ? resolve(path) : resolve(folder, path);
      const below = belowOf(folder, wanted);
      if (below === undefined) continue;
      const real = join(await realpath(folder).catch(() => folder), below);
      const found = await (isNew ? realOfNew(real) : realpath(real)).catch((error) => {
        throw new UserError(`cannot open ${shown}: ${reasonOf(error)}`);
      });
      if (found === real) return real;
      throw new UserError(
        `${shown}: expected a file of the folder itself, found a symbolic link on the way; name its target`,
      );
    }
    throw new UserError(`${shown}: expected a file in ${folders.join(" or ")}, found one outside; see --root`);
  }

  return {
    async fileAt(path) {
      const real = await insideOf(path, false);
      const file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch((error) => {
        throw new UserError(`cannot read ${path.slice(0, 200)}: ${reasonOf(error)}`);
      });
      const isFile = (await file.stat().finally(() => file.close())).isFile();
      if (!isFile) throw new UserError(`${path.slice(0, 200)}: expected a plain file, found none`);
      return real;
    },
    async create(path) {
      const real = await insideOf(path, true);
      const file = await open(real, "wx", 0o600).catch((error) => {
        const isThere = (error as NodeJS.ErrnoException).code === "EEXIST";
        const reason = isThere ? "it is there already; choose another name" : reasonOf(error);
        throw new UserError(`cannot write ${path.slice(0, 200)}: ${reason}`);
      });
      return { path: real, file };
    },
  };
}

/** The way from a folder to a path below it, or undefined when it is not below. */
function belowOf(folder: string, path: string): string | undefined {
  const way = relative(folder, path);
  return way === "" || way === ".." || way.startsWith(`..${sep}`) || isAbsolute(way) ? undefined : way;
}

/** As realpath, of a file whose folder alone must be there. */
async function realOfNew(path: string): Promise<string> {
  const folder = resolve(path, "..");
  return join(await realpath(folder), path.slice(folder.length + 1));
}
