import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { findModelFile } from "../../src/config/model-files.ts";

const fileName = "SmolLM2-135M-Instruct.Q4_1.gguf";
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "promptfleet-"));
});
afterEach(() => rm(folder, { recursive: true }));

it("finds a short name in the folder that PROMPTFLEET_MODELS_DIR names, before all others", async () => {
  const models = join(folder, "models");
  await mkdir(models);
  await writeFile(join(models, fileName), "");
  const environment = { PROMPTFLEET_MODELS_DIR: models, HOME: folder };
  expect(findModelFile("smollm2-135m", environment)).toEqual({ path: join(models, fileName) });
});

it("takes any other id for a path", async () => {
  const path = join(folder, "other.gguf");
  await writeFile(path, "");
  expect(findModelFile(path, {})).toEqual({ path });
  expect(findModelFile(relative(process.cwd(), path), {})).toEqual({ path });
});

it("says where it looked", () => {
  const path = join(folder, "none.gguf");
  expect(findModelFile(path, {})).toEqual({ lookedAt: [path] });
  const result = findModelFile("smollm2-135m", { PROMPTFLEET_MODELS_DIR: folder, HOME: folder });
  // The checkout itself may hold the model.
  if ("path" in result) expect(result.path).toContain(".tools");
  else
    expect(result.lookedAt).toEqual([
      join(folder, fileName),
      expect.stringContaining(".tools"),
      expect.stringContaining(".cache"),
    ]);
});
