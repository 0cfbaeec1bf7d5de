/**
 * One row, one answer. `node examples/library/enqueue.ts`, with a promptfleet.json (or PROMPTFLEET_CONFIG) that routes
 * the task `simple`; else the packaged one, which asks a local Ollama.
 */
import { createFleet } from "../../src/index.ts"; // in your project: from "promptfleet"

const fleet = await createFleet();
try {
  const { id, result } = fleet.enqueue({
    id: "greeting",
    task: "simple",
    prompt: "Say hello to #greeting in one word.",
  });
  const { status, text, error } = await result;
  // A row that cannot be answered is a result too, with the reason; the promise rejects only when the fleet closes.
  console.log(`${id}: ${status === "answered" ? text : error?.message}`);
} finally {
  await fleet.close();
}
