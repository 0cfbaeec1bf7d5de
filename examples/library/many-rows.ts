/**
 * Rows from any source in, results out as they come: the fleet takes rows in only as fast as they are answered, so a
 * source of any length needs little memory. `node examples/library/many-rows.ts FILE`: one row a line of text.
 */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { createFleet, type Row } from "../../src/index.ts"; // in your project: from "promptfleet"

async function* rowsOf(path: string): AsyncGenerator<Row> {
  let lineNumber = 0;
  for await (const line of createInterface({ input: createReadStream(path) })) {
    lineNumber++;
    yield { id: `line-${lineNumber}`, task: "simple", prompt: `Summarise: ${line}`, metadata: { lineNumber } };
  }
}

const [path = "examples/prompts.jsonl"] = process.argv.slice(2);
const fleet = await createFleet();
try {
  for await (const { id, status, text, error } of fleet.run(rowsOf(path))) {
    console.log(JSON.stringify({ id, status, answer: text ?? error?.message }));
  }
} finally {
  await fleet.close();
}
