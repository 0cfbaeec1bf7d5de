import { expect, it } from "vitest";
import { givenProject } from "../support/cli.ts";

it("goes by what each model took of a sample's votes, and by nothing of a judge's", async () => {
  const project = await givenProject({
    config: { models: { other: { tier: "lab", model: "other" }, judge: { tier: "lab", model: "judge" } } },
  });
  project.backend.setBehaviour({
    answer: ({ body, key }) => (body.model === "judge" ? '{"groups":[[1,2]]}' : `${body.model} says ${key}`),
  });
  // The second is named in another way than the registry does.
  const consensus = { models: ["small", "lab/other"], threshold: 1, judge: "judge" };
  const rows = Array.from({ length: 40 }, (_, at) => `${JSON.stringify({ prompt: `#r${at}`, consensus })}\n`);
  project.write("in.jsonl", rows.join(""));
  const ended = await project.start(["plan", project.input, "--sample", "10", "-o", project.output, "--json"]).ended;
  expect(ended).toMatchObject({ code: 0, stderr: expect.stringContaining("sample: 10 of 10 rows") });
  expect(project.backend.requests()).toBe(3 * 10);
  const groups = (JSON.parse(ended.stdout).groups as Record<string, unknown>[]).map(
    ({ model, basis, output_tokens: output }) => ({ model, basis, output }),
  );
  // The simulated server says 5 tokens of each answer.
  const ofEach = { low: 150, likely: 150, high: 150 };
  expect(groups).toEqual([
    { model: "small", basis: "measured", output: ofEach },
    { model: "other", basis: "measured", output: ofEach },
    { model: "judge", basis: "guessed", output: expect.anything() },
  ]);
});
