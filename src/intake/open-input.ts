import { type Stats, statSync } from "node:fs";
import { resolve } from "node:path";
import { UserError } from "../job/errors.ts";
import { type Bytes, bytesOfFile, gunzipped, peek } from "./byte-streams.ts";
import { csvLines } from "./csv-lines.ts";
import { explainReadError } from "./explain-error.ts";
import { fingerprint } from "./fingerprint.ts";
import type { Input, InputIdentity } from "./input.ts";
import { openLineFile } from "./line-file.ts";
import { createLineNumbers, type LineNumbers } from "./line-numbers.ts";
import { removeSpool, type Spool, writeSpool } from "./spool.ts";
import { isGlob, walkFiles } from "./walk-files.ts";

export type { Input } from "./input.ts";

export interface OpenInputOptions {
  /**
   * Where an input that is no plain `.jsonl` file is unpacked; removed by `close()`. Named `OUTPUT.part.input`: OUTPUT
   * and all of its `.part.` files are no input of a folder or glob in which they lie.
   */
  readonly spoolDirectory: string;
  /** Default: the process's. */
  readonly stdin?: NodeJS.ReadableStream;
}

const knownNames =
  "expected .jsonl, .ndjson or .csv (each may end in .gz), a folder, a glob such as 'src/**/*.ts', or - for standard input";

/**
 * Opens what a run is to read. Everything but a plain `.jsonl` file is turned into one first, as a stream.
 * @param source path, folder, glob, or "-".
 * @throws UserError when it is not there, cannot be read, is of no known kind, or holds no file.
 */
export async function openInput(source: string, options: OpenInputOptions): Promise<Input> {
  if (source === "-") return openPipe(standardInput(options.stdin ?? process.stdin), "standard input", options);
  const found = statOf(source);
  if (found?.isDirectory() || (found === undefined && isGlob(source))) return openFiles(source, options);
  if (found === undefined) throw explainReadError({ code: "ENOENT" }, source);
  if (!found.isFile()) return openPipe(bytesOfFile(source, source), source, options);

  const [, extension, zipped] = /\.(jsonl|ndjson|csv)(\.gz)?$/i.exec(source) ?? [];
  if (extension === undefined) {
    throw new UserError(
      `cannot tell what ${source} holds: ${knownNames}; to make the file itself a row, give its folder or a glob`,
    );
  }
  const identity = await fingerprint(source, source);
  const isCsv = extension.toLowerCase() === "csv";
  if (!isCsv && zipped === undefined) return plainInput(source, identity);
  const bytes = bytesOfFile(source, source);
  return spooled(zipped === undefined ? bytes : gunzipped(bytes, source), isCsv, source, options, () => identity);
}

function plainInput(source: string, identity: InputIdentity): Input {
  const { close, ...file } = openLineFile(source, source);
  return { ...file, path: source, kind: "rows", identity, notices: [], close: async () => close() };
}

/**
 * A pipe holds JSON lines or CSV, either may be gzipped. It is CSV if its first line looks like a header: plain names
 * between commas, at least two of them or the name `prompt` alone.
 */
async function openPipe(bytes: Bytes, source: string, options: OpenInputOptions): Promise<Input> {
  const packed = await peek(bytes, (head) => head.length >= 2);
  const isZipped = packed.head[0] === 0x1f && packed.head[1] === 0x8b;
  const plain = await peek(isZipped ? gunzipped(packed.all, source) : packed.all, hasFirstLine);
  const identify = ({ sizeBytes, sha256 }: Spool) => ({ source, sizeBytes, sha256, modifiedMs: 0 });
  return spooled(plain.all, looksLikeHeader(plain.head), source, options, identify);
}

const longestHeaderBytes = 64 * 1024;

function hasFirstLine(head: Buffer): boolean {
  return head.length >= longestHeaderBytes || head.toString("latin1").trimStart().includes("\n");
}

function looksLikeHeader(head: Buffer): boolean {
  const line = head
    .toString("utf8")
    .replace(/^\ufeff/, "")
    .trimStart()
    .split(/\r?\n/, 1)[0]!;
  const names = line.split(",").map((cell) => cell.trim().replace(/^"(.*)"$/, "$1"));
  if (!names.every((name) => /^[\p{L}_][\p{L}\p{N}_.-]{0,63}$/u.test(name))) return false;
  return names.length > 1 || names[0] === "prompt";
}

async function* standardInput(stream: NodeJS.ReadableStream): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of stream) yield Buffer.from(chunk as string | Uint8Array);
  } catch (error) {
    throw explainReadError(error, "standard input");
  }
}

async function spooled(
  bytes: Bytes,
  isCsv: boolean,
  source: string,
  { spoolDirectory }: OpenInputOptions,
  identify: (spool: Spool) => InputIdentity,
): Promise<Input> {
  const lineNumbers = isCsv ? createLineNumbers() : undefined;
  const lines = lineNumbers === undefined ? bytes : csvLines(bytes, source, lineNumbers);
  const spool = await writeSpool(spoolDirectory, lines);
  return spoolInput(spool, "rows", identify(spool), [], source, spoolDirectory, lineNumbers);
}

async function openFiles(source: string, { spoolDirectory }: OpenInputOptions): Promise<Input> {
  const output = resolve(spoolDirectory).replace(/\.part\.input$/, "");
  let files = 0;
  let binaryFiles = 0;
  let sizeBytes = 0;
  let modifiedMs = 0;

  async function* lines(): AsyncGenerator<Buffer> {
    const found = walkFiles({
      source,
      isLeftOut: (path) => resolve(path) === output || resolve(path).startsWith(`${output}.part.`),
      onBinary: () => binaryFiles++,
    });
    for (const file of found) {
      files++;
      sizeBytes += file.sizeBytes;
      modifiedMs = Math.max(modifiedMs, file.modifiedMs);
      yield Buffer.from(`${JSON.stringify({ path: file.path, size: file.sizeBytes, modified: file.modifiedMs })}\n`);
    }
  }

  const spool = await writeSpool(spoolDirectory, lines());
  if (files === 0) {
    removeSpool(spoolDirectory);
    const leftOut = "hidden files, node_modules and binary files are left out";
    throw new UserError(
      statOf(source) === undefined
        ? `no text file matches ${source} (${leftOut}); check the pattern, and quote it so that the shell leaves it alone`
        : `expected files in the folder ${source}, found no text file (${leftOut})`,
    );
  }
  const notices = binaryFiles === 0 ? [] : [`binary files left out of ${source}: ${binaryFiles}`];
  const identity = { source, sizeBytes, modifiedMs, sha256: spool.sha256 };
  return spoolInput(spool, "files", identity, notices, source, spoolDirectory);
}

function spoolInput(
  { path }: Spool,
  kind: Input["kind"],
  identity: InputIdentity,
  notices: readonly string[],
  source: string,
  spoolDirectory: string,
  lineNumbers?: LineNumbers,
): Input {
  const { close, ...file } = openSpool(path, source, spoolDirectory, lineNumbers);
  return {
    ...file,
    path,
    kind,
    identity,
    notices,
    async close() {
      close();
      removeSpool(spoolDirectory);
    },
  };
}

function openSpool(path: string, source: string, spoolDirectory: string, lineNumbers: LineNumbers | undefined) {
  try {
    return openLineFile(path, source, lineNumbers);
  } catch (error) {
    removeSpool(spoolDirectory);
    throw error;
  }
}

function statOf(source: string): Stats | undefined {
  try {
    return statSync(source, { throwIfNoEntry: false });
  } catch (error) {
    // The name of a pattern is nobody's path.
    if (isGlob(source)) return undefined;
    throw explainReadError(error, source);
  }
}
