/** Answers as data: a zod schema is asked for, checks each answer and types `json`. `node examples/library/typed-answers.ts` */
import { z } from "zod";
import { createFleet } from "../../src/index.ts"; // in your project: from "promptfleet"

const Review = z.object({ sentiment: z.enum(["good", "bad"]), stars: z.number().min(1).max(5) });

const reviews = ["#1 Works like a charm.", "#2 Broke on the first day.", "#3 It is a chair."];
const rows = reviews.map((review, index) => ({
  id: `review-${index + 1}`,
  prompt: review,
}));

const fleet = await createFleet();
try {
  for await (const { id, json, error } of fleet.run(rows, { schema: Review })) {
    // `json` is { sentiment: "good" | "bad"; stars: number }, and undefined for a row that failed.
    if (json !== undefined) console.log(`${id}: ${json.sentiment}, ${json.stars} stars`);
    else console.log(`${id}: ${error?.code}`);
  }
} finally {
  await fleet.close();
}
