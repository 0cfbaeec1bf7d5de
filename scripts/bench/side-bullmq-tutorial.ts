/**
 * Side (b) of throughput.ts, the BullMQ tutorial: all prompts added as jobs, one Worker that asks with the openai SDK
 * and returns the answer, and the return values read out at the end.
 *   node side-bullmq-tutorial.ts INPUT OUTPUT BASE_URL CONCURRENCY REDIS_SOCKET
 */
import { createWriteStream, readFileSync } from "node:fs";
import { finished } from "node:stream/promises";
import { Queue, Worker } from "bullmq";
import OpenAI from "openai";

interface Row {
  readonly id: string;
  readonly prompt: string;
}

const [input, output, baseURL, concurrency, path] = process.argv.slice(2) as [string, string, string, string, string];
const client = new OpenAI({ baseURL, apiKey: "none" });
const connection = { path };
const queue = new Queue<Row>("prompts", { connection });
const worker = new Worker<Row>(
  "prompts",
  async (job) => {
    const completion = await client.chat.completions.create({
      model: "sim",
      messages: [{ role: "user", content: job.data.prompt }],
    });
    return { id: job.data.id, text: completion.choices[0]?.message.content, usage: completion.usage };
  },
  { connection, concurrency: Number(concurrency) },
);

const rows = readFileSync(input, "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as Row);
const allEnded = new Promise<void>((resolve, reject) => {
  let left = rows.length;
  worker.on("completed", () => {
    left--;
    if (left === 0) resolve();
  });
  worker.on("failed", (_job, error) => reject(error));
});
await queue.addBulk(rows.map((row) => ({ name: "prompt", data: row })));
await allEnded;

const file = createWriteStream(output);
const page = 1_000;
for (let start = 0; start < rows.length; start += page) {
  const jobs = await queue.getCompleted(start, start + page - 1);
  for (const job of jobs) file.write(`${JSON.stringify(job.returnvalue)}\n`);
}
file.end();
await finished(file);
await worker.close();
await queue.close();
