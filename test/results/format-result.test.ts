import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { failedWithoutCall, type ResultLine } from "../../src/job/result.ts";
import {
  formatCsvHeader,
  formatCsvRow,
  formatFlatLine,
  formatOpenaiLine,
  readFlatResults,
} from "../../src/results/format-result.ts";

const answered: ResultLine = {
  id: "a",
  index: 0,
  task: "simple",
  status: "answered",
  text: 'Hi, "you"\r\nthere\u2028=1+1 ',
  model: "local.llama3",
  tier: "ollama",
  finish_reason: "stop",
  usage: { input_tokens: 22, output_tokens: 2, cached_tokens: 3 },
  cost_usd: 0.00012,
  latency_ms: 345,
  attempts: 2,
  error: null,
  metadata: { path: "src/a,b.ts", nested: [1] },
};
const failed = failedWithoutCall(1, "b", null, { code: "invalid_row", message: 'line 2: no "prompt", none' });
const openaiBody = {
  id: "chatcmpl-9",
  object: "chat.completion",
  model: "gpt-4o-mini-2024-07-18",
  choices: [{ index: 0, message: { role: "assistant", content: "Hello." }, finish_reason: "stop" }],
  usage: { prompt_tokens: 4, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 2 } },
};

/** Writes an output of this name and reads it back. */
async function readBack(name: string, content: string | Uint8Array): Promise<ResultLine[]> {
  const folder = mkdtempSync(join(tmpdir(), "promptfleet-format-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, name), content);
  const results: ResultLine[] = [];
  for await (const result of readFlatResults(join(folder, name))) results.push(result);
  return results;
}

test("a flat line holds all of a result but the provider's whole answer", () => {
  const line = formatFlatLine({ ...answered, openai_body: openaiBody });
  expect(JSON.parse(line)).toEqual(answered);
  expect(line).not.toContain("\n");
});

test("an OpenAI line of an answered row brings the provider's own body", () => {
  expect(JSON.parse(formatOpenaiLine({ ...answered, openai_body: openaiBody }))).toEqual({
    id: "batch_req_1",
    custom_id: "a",
    response: { status_code: 200, request_id: "req_1", body: openaiBody },
    error: null,
  });
});

test("an OpenAI line of a row that another dialect answered has a body made of the flat fields", () => {
  expect(JSON.parse(formatOpenaiLine(answered, 1_700_000_000)).response.body).toEqual({
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1_700_000_000,
    model: "local.llama3",
    choices: [
      { index: 0, message: { role: "assistant", content: answered.text }, logprobs: null, finish_reason: "stop" },
    ],
    usage: { prompt_tokens: 22, completion_tokens: 2, total_tokens: 24, prompt_tokens_details: { cached_tokens: 3 } },
  });
});

const vectors = [
  { object: "embedding", index: 1, embedding: [3, 4] },
  { object: "embedding", index: 0, embedding: [1, 2] },
];
const embedded = {
  ...answered,
  text: null,
  openai_body: { object: "list", data: vectors, model: "m", usage: { prompt_tokens: 22, total_tokens: 22 } },
};

test("embeddings are the json of flat lines and the text of CSV: one vector, or one for each text in its order", () => {
  const single = { ...embedded, openai_body: { ...embedded.openai_body, data: vectors.slice(0, 1) } };
  expect(JSON.parse(formatFlatLine(single))).toEqual({ ...answered, text: null, json: [3, 4] });
  const line = JSON.parse(formatFlatLine(embedded));
  const json = [
    [1, 2],
    [3, 4],
  ];
  expect(line).toEqual({ ...answered, text: null, json });
  expect(formatCsvRow(embedded)).toContain('"[[1,2],[3,4]]"');
  expect(JSON.parse(formatOpenaiLine(embedded)).response.body).toEqual(embedded.openai_body);
});

test.each([
  ["an embedding", embedded.openai_body, { text: null, usage: { input_tokens: 22, output_tokens: 0 } }],
  [
    "a completion",
    { choices: [{ text: "so", finish_reason: "length" }], usage: { prompt_tokens: 2, completion_tokens: 1 } },
    { text: "so", finish_reason: "length", usage: { input_tokens: 2, output_tokens: 1 } },
  ],
  [
    "a response",
    {
      output: [{ content: [{ type: "output_text", text: "yes" }] }, { type: "function_call" }],
      usage: { input_tokens: 2, output_tokens: 1, input_tokens_details: { cached_tokens: 1 } },
    },
    { text: "yes", usage: { input_tokens: 2, output_tokens: 1, cached_tokens: 1 } },
  ],
])("an OpenAI line of %s comes back, and writes the same line again", async (_what, openai_body, expected) => {
  const line = formatOpenaiLine({ ...answered, openai_body });
  const results = await readBack("out.jsonl", `${line}\n`);
  expect(results).toMatchObject([{ id: "a", status: "answered", ...expected }]);
  expect(results.map((result) => formatOpenaiLine(result))).toEqual([line]);
});

test("an OpenAI line of a failed row has no response and says why", () => {
  expect(JSON.parse(formatOpenaiLine(failed))).toEqual({
    id: "batch_req_2",
    custom_id: "b",
    response: null,
    error: { code: "invalid_row", message: 'line 2: no "prompt", none' },
  });
});

test("a CSV record quotes what needs quotes and leaves absent values empty", () => {
  expect(formatCsvHeader()).toBe(
    "id,index,task,status,text,model,tier,finish_reason,input_tokens,output_tokens,cached_tokens,cost_usd,latency_ms,attempts,error_code,error_message,metadata",
  );
  expect(formatCsvRow(answered)).toBe(
    'a,0,simple,answered,"Hi, ""you""\r\nthere\u2028=1+1 ",local.llama3,ollama,stop,22,2,3,0.00012,345,2,,,"{""path"":""src/a,b.ts"",""nested"":[1]}"',
  );
  expect(formatCsvRow(failed)).toBe('b,1,,failed,,,,,0,0,0,0,0,0,invalid_row,"line 2: no ""prompt"", none",');
});

test("flat lines and CSV records come back as the results they were, gzipped or not", async () => {
  const flat = `${[answered, failed].map(formatFlatLine).join("\n")}\n`;
  const csv = `${[formatCsvHeader(), formatCsvRow(answered), formatCsvRow(failed)].join("\n")}\n`;
  expect(await readBack("out.jsonl", flat)).toEqual([answered, failed]);
  expect(await readBack("out.jsonl.gz", gzipSync(flat))).toEqual([answered, failed]);
  expect(await readBack("out.csv", csv)).toEqual([answered, failed]);
  expect(await readBack("out.csv.gz", gzipSync(csv))).toEqual([answered, failed]);
});

test("an answer of no text stays an answer through CSV", async () => {
  const silent = { ...answered, text: "" };
  expect(await readBack("out.csv", `${formatCsvHeader()}\n${formatCsvRow(silent)}\n`)).toEqual([silent]);
});

test("OpenAI lines come back with what they hold, and write the same line again", async () => {
  const lines = [formatOpenaiLine({ ...answered, openai_body: openaiBody }), formatOpenaiLine(failed)];
  const results = await readBack("out.jsonl", `${lines.join("\n")}\n`);
  expect(results).toMatchObject([
    {
      id: "a",
      index: 0,
      status: "answered",
      text: "Hello.",
      usage: { input_tokens: 4, output_tokens: 1, cached_tokens: 2 },
      error: null,
    },
    { id: "b", index: 1, status: "failed", text: null, error: { code: "invalid_row" } },
  ]);
  expect(results.map((result) => formatOpenaiLine(result))).toEqual(lines);
});

test("many results come back in order, whatever chunk borders they cross", async () => {
  const results = Array.from({ length: 3_000 }, (_, index) => ({ ...answered, id: `r${index}`, index }));
  const read = await readBack("out.jsonl", results.map(formatFlatLine).join("\n"));
  expect(read).toEqual(results);
});

test.each([
  ["out.jsonl", '{"prompt":"an input"}\n'],
  ["out.jsonl", "words\n"],
  ["out.csv", "id,prompt\na,b\n"],
  ["out.jsonl.gz", "not gzip"],
  ["out.csv", 'id,status\n"a\n'],
])("refuses %s of something else than results", async (name, content) => {
  await expect(readBack(name, content)).rejects.toMatchObject({
    name: "UserError",
    message: expect.stringMatching(/choose another output, or give --fresh to replace it/),
  });
});
