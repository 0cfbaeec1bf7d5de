import { existsSync } from "node:fs";
import type { Input } from "./intake/open-input.ts";
import { idOfLine } from "./intake/parse-row.ts";
import { UserError } from "./job/errors.ts";
import { readFlatResults } from "./results/read-results.ts";
import { readRunState, removeRunFiles } from "./results/run-state.ts";
import { createSegment, type Recorded, segmentPath } from "./results/segments.ts";

export interface FinishedOutput {
  readonly rows: number;
  readonly answered: number;
  readonly failed: number;
}

export interface FinishedOutputOptions {
  readonly input: Input;
  readonly output: string;
  readonly workPath: string;
  readonly fresh: boolean;
  readonly retryFailed: boolean;
}

const rowsPerAppend = 1_000;

/**
 * Looks at an OUTPUT that is there before a run starts. OUTPUT exists only when it is whole, so there is nothing to do
 * when it answers this input, unless failed rows are to be asked again: then its answered rows become the first segment
 * of the new run.
 * @returns what OUTPUT holds when there is nothing to do, undefined when a run is needed.
 * @throws UserError when OUTPUT is something else than the answers to this input.
 */
export async function settleFinishedOutput(options: FinishedOutputOptions): Promise<FinishedOutput | undefined> {
  const { input, output, workPath, fresh, retryFailed } = options;
  if (fresh || readRunState(workPath) !== undefined) return undefined;
  // Segments without a state are of a run that never began to feed.
  removeRunFiles(workPath);
  if (output === "-" || !existsSync(output)) return undefined;

  const seed = retryFailed ? await createSegment(segmentPath(workPath, 1)) : undefined;
  const ids = inputIds(input);
  const counts = { rows: 0, answered: 0, failed: 0 };
  let group: Recorded[] = [];
  try {
    for await (const result of readFlatResults(output)) {
      const expected = await ids.next();
      if (expected.done === true)
        throw notTheAnswersTo(input, output, `it has more than the ${counts.rows} rows of the input`);
      if (expected.value !== result.id) {
        throw notTheAnswersTo(
          input,
          output,
          `row ${counts.rows + 1} has the id ${result.id}, the input ${expected.value}`,
        );
      }
      if (result.status === "answered") {
        counts.answered++;
        group.push({ row: counts.rows, line: JSON.stringify({ ...result, index: counts.rows }) });
        if (seed !== undefined && group.length >= rowsPerAppend) await seed.append(group.splice(0));
        if (seed === undefined) group = [];
      } else {
        counts.failed++;
      }
      counts.rows++;
    }
    if ((await ids.next()).done !== true) throw notTheAnswersTo(input, output, `it ends after ${counts.rows} rows`);
    if (seed !== undefined && group.length > 0) await seed.append(group);
  } catch (error) {
    await seed?.close();
    removeRunFiles(workPath);
    throw error;
  }
  await seed?.close();
  if (retryFailed && counts.failed > 0) return undefined;
  removeRunFiles(workPath);
  return counts;
}

function notTheAnswersTo(input: Input, output: string, why: string): UserError {
  return new UserError(
    `${output} is there and is not the answers to ${input.identity.source}: ${why}; choose another output, or --fresh to replace it`,
  );
}

/** The ids that the rows of an input have, read without judging the rows. */
async function* inputIds(input: Input): AsyncGenerator<string> {
  for await (const lines of input.readLines()) {
    for (const line of lines) yield idOfLine(line.bytes, input.lineNumberOf(line.index), input.kind);
  }
}
