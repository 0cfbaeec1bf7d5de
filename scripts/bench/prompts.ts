import { once } from "node:events";
import { createReadStream, createWriteStream } from "node:fs";
import { finished } from "node:stream/promises";

const words =
  "the server reads every row of this file once and writes an answer that nobody will ever read again".split(" ");

/** Writes a JSONL of flat rows; each prompt is `bytes` long, differs from the others and starts with its `#key`. */
export async function writePrompts(path: string, rows: number, bytes = 1_024): Promise<void> {
  const file = createWriteStream(path);
  for (let row = 0; row < rows; row++) {
    let prompt = `#r${row}`;
    for (let word = row; prompt.length < bytes; word = (word * 7 + 3) % 1_009)
      prompt += ` ${words[word % words.length]}`;
    const line = JSON.stringify({ id: `r${row}`, prompt: prompt.slice(0, bytes) });
    if (!file.write(`${line}\n`)) await once(file, "drain");
  }
  file.end();
  await finished(file);
}

/** @throws Error when the file has not as many lines as there were rows, or a line without an answer of the server. */
export async function checkAnswers(path: string, rows: number): Promise<void> {
  let lines = 0;
  let answers = 0;
  let rest = "";
  for await (const chunk of createReadStream(path, "utf8")) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    lines += parts.length;
    answers += parts.filter((line) => line.includes('"answer to r')).length;
  }
  if (lines !== rows || answers !== rows || rest !== "")
    throw new Error(`expected ${rows} answers in ${path}, found ${answers} in ${lines} lines`);
}
