/** What tells one input from another, so that a run is not resumed with other questions. */
export interface InputIdentity {
  /** As the user named it. */
  readonly source: string;
  /** Of the original; of all files together for a folder or a glob. */
  readonly sizeBytes: number;
  /** ms since 1970; the latest of all files for a folder or a glob, 0 for a pipe. */
  readonly modifiedMs: number;
  /**
   * A file's content (see fingerprint.ts: beyond 64 MB a sample of it); what came through a pipe; the list of paths,
   * sizes and times for a folder or a glob.
   */
  readonly sha256: string;
}

/** A line that is not blank. */
export interface InputLine {
  /** Counts from 0. */
  readonly index: number;
  /** Byte offset of its start, for `readLineAt`. */
  readonly offset: number;
  /** Without its line end. */
  readonly bytes: Buffer;
}

/** An input that was opened: JSON lines in a plain file, whatever it was before. */
export interface Input {
  /** The plain file: the original, or the spool file that was made of it. */
  readonly path: string;
  /** `rows`: a line is a row. `files`: a line names a file whose text is the row. */
  readonly kind: "rows" | "files";
  readonly identity: InputIdentity;
  /** Of the plain file when it was opened; what is appended later is not read. */
  readonly sizeBytes: number;
  /** What the user should know, one sentence each, such as how many binary files were left out. */
  readonly notices: readonly string[];
  /** All lines in chunks of about 256 KB; may be called again. A line longer than 32 MB comes as an unreadable one. */
  readLines(): AsyncGenerator<InputLine[]>;
  /** One line again, by the offset that `readLines` gave. */
  readLineAt(offset: number): Buffer;
  /** Counts from 1 and counts blank lines, as an editor does; only for lines that were read. */
  lineNumberOf(index: number): number;
  /** Also removes the spool file. */
  close(): Promise<void>;
}
