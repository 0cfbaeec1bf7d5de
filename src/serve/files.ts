import type { Readable } from "node:stream";
import { UserError } from "../job/errors.ts";

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
  /** The name of the token that it came with; of a batch's output that of the batch. */
  readonly owner?: string | undefined;
}

export interface FileAbout {
  readonly filename: string;
  readonly purpose: string;
  readonly owner?: string | undefined;
  /** Removed by itself then. Default: never. */
  readonly expiresAtMs?: number | undefined;
}

/** A content that is whole on disk and not yet a file. */
export interface ReceivedContent {
  keep(about: FileAbout): Promise<FileRecord>;
  drop(): Promise<void>;
}

/** Files on disk (`DATA_DIR/serve/files`), uploaded or written by batches. */
export interface Files {
  /** Streams to disk; a content that is cut off or too large leaves nothing behind. */
  add(content: Readable, about: FileAbout): Promise<FileRecord>;
  /** The same where what it is comes only after the content. @throws HttpError when it is too large. */
  receive(content: Readable): Promise<ReceivedContent>;
  /** Under an id of the caller's; takes the place of what was there. */
  put(id: string, content: Readable, about: FileAbout): Promise<FileRecord>;
  get(id: string): FileRecord | undefined;
  /** Newest first. */
  list(): readonly FileRecord[];
  /** Where the content lies. */
  pathOf(id: string): string;
  /** @throws FileInUse while a batch reads it. */
  remove(id: string): Promise<void>;
  close(): void;
}

/** Somebody reads this file. */
export class FileInUse extends UserError {}
