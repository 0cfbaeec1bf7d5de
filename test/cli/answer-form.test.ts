import { mkdirSync } from "node:fs";
import { expect, it } from "vitest";
import { givenProject } from "../support/cli.ts";
import { assertEachResultOnce, readResults } from "../support/laws.ts";

const schema = { type: "object", properties: { stars: { type: "integer" } }, required: ["stars"] };
const rowsOf = (...rows: object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

it("asks again for an answer that is not of the row's form, once, and pays for both", async () => {
  const answers: Record<string, string[]> = {
    good: ['{"stars":4}'],
    mended: ["four stars", '```json\n{"stars":4}\n```'],
    lost: ["four stars", '{"stars":"four"}', '{"stars":4}'],
    label: ["It is Bad.", "Bad."],
    plain: ["four stars"],
  };
  const project = await givenProject({ backend: { answer: ({ key, ask }) => answers[key]?.[ask - 1] ?? "too often" } });
  project.write(
    "in.jsonl",
    rowsOf(
      { id: "good", prompt: "#good", schema },
      { id: "mended", prompt: "#mended", schema },
      { id: "lost", prompt: "#lost", schema },
      { id: "label", prompt: "#label", choices: ["good", "bad"] },
      { id: "plain", prompt: "#plain" },
      { id: "wrong", prompt: "#wrong", schema: { $ref: "https://example.com/stars.json" } },
    ),
  );
  expect((await project.run()).code).toBe(2);
  const results = assertEachResultOnce(project.output, 6);
  expect(
    results.map(({ status, text, json, attempts, usage, error }) => [
      status,
      text,
      json,
      attempts,
      usage.output_tokens,
      error?.code,
    ]),
  ).toEqual([
    ["answered", '{"stars":4}', { stars: 4 }, 1, 5, undefined],
    ["answered", '```json\n{"stars":4}\n```', { stars: 4 }, 2, 10, undefined],
    ["failed", '{"stars":"four"}', undefined, 2, 10, "invalid_answer"],
    ["answered", "bad", undefined, 2, 10, undefined],
    ["answered", "four stars", undefined, 1, 5, undefined],
    ["failed", null, undefined, 0, 0, "invalid_row"],
  ]);
  expect(results[2]?.error?.message).toBe("the answer is not what the row asks for: /stars must be integer");
  expect(results[5]?.error?.message).toMatch(/^line 6: schema: .*can't resolve reference https:\/\/example.com/);
  expect(results[1]!.cost_usd).toBeCloseTo(2 * results[0]!.cost_usd);
});

it("labels a CSV with --choices, and asks each row for --schema", async () => {
  const project = await givenProject({
    backend: {
      answer: ({ body }) =>
        body.response_format && JSON.stringify(body).includes("stars") ? '{"stars":1}' : "NEGATIVE",
    },
  });
  project.write("in.csv", 'review\nIt broke #a\n"It broke, too #b"\n');
  const labelled = [
    "run",
    "in.csv",
    "-o",
    "labels.jsonl",
    "--prompt",
    "How is this? {{review}}",
    "--choices",
    "positive, negative",
  ];
  expect(await project.start(labelled).ended).toMatchObject({ code: 0 });
  expect(readResults(project.path("labels.jsonl")).map(({ text, metadata }) => [text, metadata])).toEqual([
    ["negative", { review: "It broke #a" }],
    ["negative", { review: "It broke, too #b" }],
  ]);
  project.write("stars.json", JSON.stringify(schema));
  const structured = [
    "run",
    "in.csv",
    "-o",
    "stars.jsonl",
    "--prompt",
    "How is this? {{review}}",
    "--schema",
    "stars.json",
  ];
  expect(await project.start(structured).ended).toMatchObject({ code: 0 });
  expect(readResults(project.path("stars.jsonl")).map(({ json }) => json)).toEqual([{ stars: 1 }, { stars: 1 }]);
  const refused = await project.start([...structured, "--choices", "a,b"]).ended;
  expect(refused).toMatchObject({ code: 1, stdout: "" });
  expect(refused.stderr).toBe("promptfleet: expected --schema or --choices, found both; leave one out\n");
});

it("sends an image that lies beside the input", async () => {
  const urls: unknown[] = [];
  const project = await givenProject({
    backend: {
      answer: ({ body }) => {
        urls.push(body.messages);
        return "a pixel";
      },
    },
  });
  mkdirSync(project.path("images"));
  project.write("images/pixel.gif", "GIF89a....");
  project.write("images/in.jsonl", rowsOf({ prompt: "What is it?", images: ["pixel.gif"] }));
  expect((await project.start(["run", "images/in.jsonl", "-o", "out.jsonl"]).ended).code).toBe(0);
  const url = `data:image/gif;base64,${Buffer.from("GIF89a....").toString("base64")}`;
  expect(urls).toEqual([
    [
      {
        role: "user",
        content: [
          { type: "text", text: "What is it?" },
          { type: "image_url", image_url: { url } },
        ],
      },
    ],
  ]);
});
