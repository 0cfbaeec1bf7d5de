import type { Readable } from "node:stream";

export interface FileRecord {
  /** `file-…`; random, cannot be guessed. */
  readonly id: string;
  readonly bytes: number;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | undefined;
  /** As the client named it; never part of a path. */
  readonly filename: string;
  readonly purpose: string;
  /** Of the content, in hex. */
  readonly sha256: string;
}

/** Files on disk (`DATA_DIR/serve/files`), uploaded or written by batches. */
export interface Files {
  /** Streams to disk; a content that is cut off or too large leaves nothing behind. */
  add(content: Readable, about: { readonly filename: string; readonly purpose: string }): Promise<FileRecord>;
  get(id: string): FileRecord | undefined;
  /** Newest first. */
  list(): readonly FileRecord[];
  /** Where the content lies. */
  pathOf(id: string): string;
  /** @throws UserError while a batch reads it. */
  remove(id: string): Promise<void>;
}
