import { Queue, Worker } from "bullmq";
import { Pool } from "undici";
import { startPrivateRedis } from "./private-redis.ts";
import { inWorkplace } from "./workplace.ts";

/** A guess: nobody tells what the server can do. */
export const limitedCallsPerSecond = 100;
const concurrency = 256;

/** BullMQ's own `limiter` in front of a server, for so long. */
export function askLimited(baseUrl: string, forMs: number): Promise<void> {
  return inWorkplace(async (workplace) => {
    const redis = await startPrivateRedis(workplace);
    try {
      await work(redis.socketPath, baseUrl, forMs);
    } finally {
      await redis.stop();
    }
  });
}

async function work(path: string, baseUrl: string, forMs: number): Promise<void> {
  const url = new URL(baseUrl);
  const pool = new Pool(url.origin, { connections: null, pipelining: 1 });
  const body = JSON.stringify({ model: "sim", messages: [{ role: "user", content: "Hello" }] });
  const connection = { path };
  const queue = new Queue("prompts", { connection });
  const rows = Math.ceil((limitedCallsPerSecond * forMs) / 1_000);
  await queue.addBulk(Array.from({ length: rows }, () => ({ name: "prompt", data: {} })));
  const worker = new Worker(
    "prompts",
    async () => {
      const { body: answer } = await pool.request({
        path: `${url.pathname}/chat/completions`,
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      });
      await answer.text();
    },
    { connection, concurrency, limiter: { max: limitedCallsPerSecond, duration: 1_000 } },
  );
  await new Promise<void>((resolve, reject) => {
    let left = rows;
    worker.on("completed", () => --left === 0 && resolve());
    worker.on("failed", (_job, error) => reject(error));
  });
  await worker.close();
  await queue.close();
  await pool.close();
}
