/**
 * A plain BullMQ producer: it knows Redis and BullMQ, and nothing of promptfleet. A flat row as `data` goes to the queue
 * `inbox`, which routes it by its task, or to the queue of a tier. Somewhere `promptfleet work --redis URL` runs.
 * `node examples/bullmq/producer.ts redis://127.0.0.1:6379 [FLEET]`. BullMQ's clients in other languages do the same.
 */
import { Queue, QueueEvents } from "bullmq";

const [url = "redis://127.0.0.1:6379", fleet = "promptfleet"] = process.argv.slice(2);
// Braces are part of the prefix: they keep a fleet's keys together on Redis Cluster.
const options = { connection: { url }, prefix: `{${fleet}}` };
const queue = new Queue("inbox", options);
const events = new QueueEvents("inbox", options);
try {
  const row = { task: "simple", prompt: "Say hello to #bullmq in one word." };
  const job = await queue.add("greeting", row, { removeOnComplete: { age: 3_600 } });
  // The job's return value is the row's result, failed or answered; for a private row, {"id", "status", "result_key"}.
  const result = await job.waitUntilFinished(events);
  console.log(`${result.status} by ${result.model}: ${result.text ?? result.error?.message}`);
} finally {
  await events.close();
  await queue.close();
}
