/**
 * Rows here, pools elsewhere: this process only adds rows to a shared Redis and waits for their results; the asking is
 * done by as many `promptfleet work --redis URL` as there are, on whatever machines.
 * `node examples/library/shared-redis.ts redis://127.0.0.1:6379`
 */
import { createFleet } from "../../src/index.ts"; // in your project: from "promptfleet"

const [redis = "redis://127.0.0.1:6379"] = process.argv.slice(2);
const fleet = await createFleet({ redis, tiers: [] });
try {
  const questions = ["What is a queue? #a", "What is a worker? #b", "What is a row? #c"];
  const results = await Promise.all(questions.map((prompt) => fleet.enqueue({ task: "simple", prompt }).result));
  for (const { id, text, tier } of results) console.log(`${id} (${tier}): ${text}`);
} finally {
  await fleet.close();
}
