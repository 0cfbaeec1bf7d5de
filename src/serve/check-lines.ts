import type { Input } from "../intake/input.ts";
import { createIdSet } from "../job/id-set.ts";
import type { BatchError } from "./batch-record.ts";

export interface CheckedLines {
  readonly rows: number;
  /** Why the batch as a whole cannot run; empty when it can. */
  readonly errors: readonly BatchError[];
}

/** As many as a person reads. */
const mostErrors = 50;

/**
 * Looks at all lines once, for what makes a file no batch: nothing in it, ids that come twice, lines for another endpoint.
 * A line that cannot be used fails as a row later on, unless there is no line that can.
 * @param isStopped asked now and then; a check that was stopped has seen only a part.
 */
export async function checkLines(
  input: Pick<Input, "readLines" | "lineNumberOf">,
  { endpoint, mostRows }: { readonly endpoint: string; readonly mostRows: number },
  isStopped: () => boolean,
): Promise<CheckedLines> {
  const ids = createIdSet();
  const errors: BatchError[] = [];
  const unreadable: BatchError[] = [];
  let rows = 0;
  let readable = 0;
  for await (const lines of input.readLines()) {
    if (isStopped()) break;
    for (const { index, bytes } of lines) {
      rows++;
      const line = input.lineNumberOf(index);
      const fields = fieldsOf(bytes);
      if (fields === undefined) {
        if (unreadable.length < mostErrors)
          unreadable.push(errorAt(line, "invalid_json_line", "This line is not parseable as valid JSON."));
        continue;
      }
      readable++;
      if (errors.length >= mostErrors) continue;
      const { custom_id: id, url } = fields;
      if (typeof url === "string" && url !== endpoint) {
        const message = `The url of this line is not the endpoint of the batch, ${endpoint}; a batch has one endpoint.`;
        errors.push(errorAt(line, "url_mismatch", message, "url"));
      }
      if (typeof id === "string" && !ids.add(id)) {
        const message = "The custom_id of this line was used by an earlier line; each must be used once.";
        errors.push(errorAt(line, "duplicate_custom_id", message, "custom_id"));
      }
    }
  }
  if (rows > mostRows) {
    const message = `The file has ${rows} lines; the server takes at most ${mostRows} in a batch.`;
    errors.unshift({ code: "too_many_tasks", message, line: null, param: "input_file_id" });
  }
  if (rows === 0) {
    const message = "The file has no lines; a batch has at least one request.";
    errors.push({ code: "empty_file", message, line: null, param: "input_file_id" });
  }
  return { rows, errors: readable === 0 && rows > 0 ? unreadable : errors };
}

function errorAt(line: number, code: string, message: string, param: string | null = null): BatchError {
  return { code, message, line, param };
}

function fieldsOf(bytes: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
