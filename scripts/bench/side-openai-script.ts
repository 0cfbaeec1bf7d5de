/**
 * Side (a) of throughput.ts, the script that everyone writes: the openai SDK as it comes, p-limit, and a line appended
 * to a JSONL per answer.
 *   node side-openai-script.ts INPUT OUTPUT BASE_URL CONCURRENCY
 */
import { createWriteStream, readFileSync } from "node:fs";
import { finished } from "node:stream/promises";
import OpenAI from "openai";
import pLimit from "p-limit";

const [input, output, baseURL, concurrency] = process.argv.slice(2) as [string, string, string, string];
const client = new OpenAI({ baseURL, apiKey: "none" });
const limit = pLimit(Number(concurrency));
const file = createWriteStream(output, { flags: "a" });

const rows = readFileSync(input, "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as { id: string; prompt: string });
await Promise.all(
  rows.map((row) =>
    limit(async () => {
      const completion = await client.chat.completions.create({
        model: "sim",
        messages: [{ role: "user", content: row.prompt }],
      });
      const text = completion.choices[0]?.message.content;
      file.write(`${JSON.stringify({ id: row.id, text, usage: completion.usage })}\n`);
    }),
  ),
);
file.end();
await finished(file);
