import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  type RunState,
  readRunState,
  refuseChangedInput,
  removeRunFiles,
  statePath,
  writeRunState,
} from "../../src/results/run-state.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const state: RunState = {
  version: 1,
  batchId: "b1",
  generation: 2,
  retryFailedBelowEpoch: 3,
  input: { source: "in.jsonl", sizeBytes: 10, modifiedMs: 5, sha256: "abc" },
  configHash: "def",
  startedAtMs: 1_000,
};
const output = () => join(temporaryFolder(), "out.jsonl");

describe("the state of a run", () => {
  it("is read as it was written, and readable by its owner alone", () => {
    const path = output();
    expect(readRunState(path)).toBeUndefined();
    writeRunState(path, state);
    writeRunState(path, { ...state, generation: 3 });
    expect(readRunState(path)).toEqual({ ...state, generation: 3 });
    expect(statSync(statePath(path)).mode & 0o777).toBe(0o600);
    expect(existsSync(`${statePath(path)}.tmp`)).toBe(false);
  });

  it.each(["", "{", '{"version":2,"batchId":"b"}', "null"])("is refused when it is %j, with what to do", (content) => {
    const path = output();
    writeFileSync(statePath(path), content);
    expect(() => readRunState(path)).toThrow(
      /expected the state of an unfinished run in .*found something else.*--fresh/,
    );
  });

  it("refuses another input, whatever its name, and passes the same under another time", () => {
    refuseChangedInput(state, { ...state.input, source: "copy.jsonl", modifiedMs: 9 }, "out.jsonl");
    for (const change of [{ sha256: "other" }, { sizeBytes: 11 }]) {
      expect(() => refuseChangedInput(state, { ...state.input, ...change }, "out.jsonl")).toThrow(/other content/);
    }
  });

  it("goes before the segments: a kill in between must not look like a run that has to ask all again", () => {
    const path = output();
    writeRunState(path, state);
    mkdirSync(`${path}.part.1`);
    expect(() => removeRunFiles(path)).toThrow();
    expect(readRunState(path)).toBeUndefined();
  });
});
