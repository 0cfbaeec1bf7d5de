/** A label instead of a text, and a schema for one row. `node examples/library/one-of-these.ts` */
import { z } from "zod";
import { createFleet } from "../../src/index.ts"; // in your project: from "promptfleet"

const Address = z.object({ street: z.string(), town: z.string() });

const fleet = await createFleet();
try {
  const label = fleet.enqueue({ prompt: "How is this review? It broke. #label", choices: ["good", "bad"] });
  const address = fleet.enqueue({
    prompt: "Find the address: we live in 3 High Street, Bath. #address",
    schema: Address,
  });

  // The text is one of the choices as it stands above.
  console.log(`the review is ${(await label.result).text}`);
  // `json` is { street: string; town: string }, and undefined for a row that failed.
  const { json } = await address.result;
  console.log(json === undefined ? "no address" : `the town is ${json.town}`);
} finally {
  await fleet.close();
}
