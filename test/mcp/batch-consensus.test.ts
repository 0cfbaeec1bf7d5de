import { expect, it } from "vitest";
import { givenProject } from "../support/cli.ts";
import { givenStdioClient } from "../support/mcp-client.ts";

async function given() {
  const project = await givenProject({ config: { models: { other: { tier: "lab", model: "other" } } } });
  return Object.assign(await givenStdioClient(project), { backend: project.backend });
}

const both = { models: ["small", "other"], threshold: 1 };

it("a batch's consensus holds for all rows that bring none, in the plan as well", async () => {
  const { call, backend } = await given();
  const rows = [
    { prompt: "#1" },
    { prompt: "#2", model: "other" },
    { prompt: "#3", consensus: { ...both, threshold: 0.5 } },
  ];
  const planned = await call("plan", { rows, consensus: both });
  expect(planned).toMatchObject({
    groups: [
      { model: "small", rows: 3 },
      { model: "other", rows: 3 },
    ],
  });
  expect(backend.requests()).toBe(0);
  const { id } = await call("submit_batch", { rows, consensus: both });
  expect(await call("batch_status", { id, wait_s: 30 })).toMatchObject({ status: "completed", answered: 3 });
  const { results } = await call("batch_results", { id });
  expect(results).toMatchObject(
    [1, 2, 3].map((key) => ({ text: `answer to ${key}`, consensus: { share: 1, votes: [{ agreed: true }, {}] } })),
  );
  expect(backend.requests()).toBe(6);
});

it("a batch's consensus is refused before anything is queued, in words, when it is none", async () => {
  const { call, refusal } = await given();
  const refused = (consensus: object, more: object = {}) =>
    refusal("submit_batch", { rows: [{ prompt: "x" }], consensus, ...more });
  expect(await refused({ models: ["small"] })).toBe(
    "consensus.models: expected at least two different models; found 1; name another one",
  );
  expect(await refused({ models: ["small", "lab/simulated-model"] })).toMatch(/which are the same model/);
  expect(await refused({ models: ["small", "othr"] })).toMatch(
    /consensus\.models\[1\]: .*found "othr"; did you mean "other"/,
  );
  expect(await refused({ ...both, escalate: "other" })).toMatch(
    /consensus\.escalate: expected a model that has not voted/,
  );
  expect(await refused({ ...both, treshold: 1 })).toMatch(
    /consensus: unknown argument "treshold": did you mean "threshold"/,
  );
  expect(await refused(both, { model: "small" })).toMatch(/expected model or consensus, found both/);
  await expect(call("batch_status", { id: "batch_x" })).rejects.toThrow(/there is none yet/);
});
