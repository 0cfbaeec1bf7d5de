import { errorIn, isObject } from "./backend-words.ts";
import type { HttpConnection } from "./http.ts";

/** Large models take hours; the signal ends it. */
const longestPullMs = 24 * 3_600_000;

/**
 * Has the server fetch a model. Its answer is a line a step, with status 200 whatever happens; the last one says how it
 * went.
 */
export async function pullModel(
  connection: HttpConnection,
  model: string,
  onProgress: (progress: string) => void,
  signal: AbortSignal,
): Promise<string | undefined> {
  let unread = "";
  let last: unknown;
  const response = await connection.send({
    method: "POST",
    path: "/api/pull",
    body: JSON.stringify({ model, stream: true }),
    private: false,
    signal,
    timeoutMs: longestPullMs,
    onText(text) {
      const lines = (unread + text).split("\n");
      unread = lines.pop()!;
      for (const line of lines) {
        last = parsed(line);
        onProgress(progressOf(last));
      }
    },
  });
  if (response.kind !== "response") return response.message;
  // A proxy may have gathered the lines.
  const lastLine = (response.text || unread).trim().split("\n").at(-1);
  if (lastLine !== "") last = parsed(lastLine!);
  const error = errorIn(last);
  if (error !== undefined) return error.message;
  return isObject(last) && last.status === "success" ? undefined : `${connection.host} did not say that it has it now`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** "43 % of 2.0 GB", or the server's word for a step without size. */
function progressOf(line: unknown): string {
  if (!isObject(line)) return "…";
  const { status, total, completed } = line;
  if (typeof total !== "number" || total <= 0) return String(status ?? "…").slice(0, 60);
  const done = typeof completed === "number" ? completed : 0;
  return `${Math.floor((100 * done) / total)} % of ${(total / 1e9).toFixed(1)} GB`;
}
