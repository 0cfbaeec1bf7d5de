import type { Gauges } from "./adapter.ts";

/** Prometheus names of what servers of this family work on and what waits at them: vLLM's, llama.cpp's. */
const names = [
  { running: "vllm:num_requests_running", waiting: "vllm:num_requests_waiting" },
  { running: "llamacpp:requests_processing", waiting: "llamacpp:requests_deferred" },
];

/** Reads a server's `/metrics`; "none" when it is another's. */
export function readGauges(text: string): Gauges | "none" {
  for (const { running, waiting } of names) {
    const found = { running: sumOf(text, running), waiting: sumOf(text, waiting) };
    if (found.running !== undefined && found.waiting !== undefined) {
      return { running: found.running, waiting: found.waiting };
    }
  }
  return "none";
}

/** Over all label sets of that name; vLLM has others that only begin like it. */
function sumOf(text: string, name: string): number | undefined {
  let sum: number | undefined;
  for (let at = text.indexOf(name); at !== -1; at = text.indexOf(name, at + name.length)) {
    const isStart = at === 0 || text[at - 1] === "\n";
    const next = text[at + name.length];
    if (!isStart || (next !== "{" && next !== " ")) continue;
    const end = text.indexOf("\n", at);
    const line = text.slice(at, end === -1 ? undefined : end);
    const value = Number(
      line
        .slice(line.lastIndexOf("}") + 1)
        .replace(name, "")
        .trim()
        .split(" ")[0],
    );
    if (Number.isFinite(value)) sum = (sum ?? 0) + value;
  }
  return sum;
}
