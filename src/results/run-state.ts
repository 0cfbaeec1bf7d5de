import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { UserError } from "../job/errors.ts";
import { findSegments } from "./segments.ts";
import { removeVoidResults } from "./void-results.ts";

/** What identifies the input of a run; the fields of intake's InputIdentity. */
export interface InputMark {
  readonly source: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  readonly sha256: string;
}

/** `OUTPUT.part.json`: lies beside OUTPUT while a run is unfinished. */
export interface RunState {
  readonly version: 1;
  readonly batchId: string;
  readonly generation: number;
  /** Failed results in segments below this epoch do not count (`--retry-failed`). */
  readonly retryFailedBelowEpoch: number;
  readonly input: InputMark;
  /** Hash of everything besides the input that decides what is asked: config, template, defaults. */
  readonly configHash: string;
  /** ms since 1970 of the first start, from which `--deadline` counts. */
  readonly startedAtMs: number;
  /** US dollars that were spent under a budget up to the last look. */
  readonly spentUsd?: number;
}

export const statePath = (outputPath: string): string => `${outputPath}.part.json`;
export const lockPath = (outputPath: string): string => `${outputPath}.part.lock`;

export function readRunState(outputPath: string): RunState | undefined {
  let text: string;
  try {
    text = readFileSync(statePath(outputPath), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const state = JSON.parse(text) as RunState;
    if (state.version === 1 && typeof state.batchId === "string") return state;
  } catch {
    // Told below: the file is ours by its name but not by its content.
  }
  throw new UserError(
    `expected the state of an unfinished run in ${statePath(outputPath)}, found something else; remove it together with ${outputPath}.part.* , or run with --fresh`,
  );
}

export function writeRunState(outputPath: string, state: RunState): void {
  const path = statePath(outputPath);
  const file = openSync(`${path}.tmp`, "w", 0o600);
  writeSync(file, `${JSON.stringify(state, null, 2)}\n`);
  fsyncSync(file);
  closeSync(file);
  renameSync(`${path}.tmp`, path);
}

/** Refuses an input that is not the one that the run to be resumed began with. */
export function refuseChangedInput(state: RunState, found: InputMark, outputPath: string): void {
  const { input } = state;
  if (input.sha256 === found.sha256 && input.sizeBytes === found.sizeBytes) return;
  throw new UserError(
    `the unfinished run of ${outputPath} began with ${input.source} of ${input.sizeBytes} bytes, found ${found.source} of ${found.sizeBytes} bytes with other content; bring the old input back to resume, or give --fresh to start over`,
  );
}

/**
 * Removes everything of a run but OUTPUT itself. The state goes first: it would say of a whole OUTPUT, whose segments a
 * kill left half removed, that most of it is still to be asked. Segments without a state are removed by the next run.
 */
export function removeRunFiles(outputPath: string): void {
  rmSync(statePath(outputPath), { force: true });
  for (const { path } of findSegments(outputPath)) rmSync(path, { force: true });
  removeVoidResults(outputPath);
}
