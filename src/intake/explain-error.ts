import { messageOf, UserError } from "../job/errors.ts";

const explanations: Readonly<Record<string, string>> = {
  ENOENT: "it is not there; check the path (relative paths start at the current folder)",
  ENOTDIR: "a part of its path is no folder; check the path",
  EACCES: "permission denied; give this user access",
  EPERM: "permission denied; give this user access",
  EISDIR: "it is a folder",
  ELOOP: "its symbolic links go round in a circle",
  ENAMETOOLONG: "its name is longer than the system allows",
  EMFILE: "too many files are open; raise the limit (ulimit -n)",
  EROFS: "the file system is read-only",
  EIO: "the disk reports an error",
};

/** A failed open or read of what the user named, as a message for the user. */
export function explainReadError(error: unknown, source: string): UserError {
  return new UserError(`cannot read ${source}: ${reasonOf(error)}`);
}

/** Why the system refused, without the path. */
export function reasonOf(error: unknown): string {
  return explanations[(error as NodeJS.ErrnoException)?.code ?? ""] ?? messageOf(error);
}
