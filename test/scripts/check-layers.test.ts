// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the sources under test hold templates
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkLayers } from "../../scripts/check-layers.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "promptfleet-layers-"));
});
afterEach(() => rmSync(root, { recursive: true }));

/** What the check says of a tree of these files. */
function problemsOf(files: Readonly<Record<string, string>>): string[] {
  for (const [file, source] of Object.entries(files)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), source);
  }
  return checkLayers(root);
}

/** A tree without a fault, in which each room imports all it may. */
const soundTree = {
  "src/job/row.ts": "export const row = 1;\n",
  "src/job/batch.ts": 'import { row } from "./row.ts";\nexport const batch = row;\n',
  "src/config/config.ts": 'import "../job/row.ts";\nexport const env = process.env.HOME;\n',
  "src/queue/names.ts": "export const names = (fleet: string) => `{${fleet}}/batches`;\n",
  "src/pool/run-pool.ts":
    'import { DelayedError } from "bullmq";\nimport type {\n  Adapter,\n} from "../../workers/adapter.ts";\nimport "../config/config.ts";\nimport "../queue/names.ts";\nthrow new DelayedError();\n',
  "workers/adapter.ts": 'import type { row } from "../src/job/row.ts";\nimport "../src/config/config.ts";\n',
  "src/fleet.ts": 'import "./pool/run-pool.ts";\nimport "../workers/adapter.ts";\n',
  "src/cli/run.ts": 'import { fleet } from "../fleet.ts";\n',
  "src/cli.ts": 'void import("./cli/run.ts");\nprocess.exitCode = 1;\n',
  "test/fleet.test.ts": 'import "../src/pool/run-pool.ts";\nprocess.env.HOME = "";\n',
};

describe("check-layers", () => {
  it("finds nothing in a tree where each room imports only what it may", () => {
    expect(problemsOf(soundTree)).toEqual([]);
  });

  it.each([
    ["a stage that imports another", "src/pool/a.ts", 'import "../results/b.ts";\n'],
    ["a stage that imports another lazily", "src/pool/a.ts", 'const b = await import("../results/b.ts");\n'],
    ["a stage that re-exports another", "src/pool/a.ts", 'export * from "../results/b.ts";\n'],
    ["a stage that imports the wiring", "src/pool/a.ts", 'import "../fleet.ts";\n'],
    [
      "a stage that imports more than types of the contract",
      "src/pool/a.ts",
      'import { A } from "../../workers/adapter.ts";\n',
    ],
    ["a stage that imports an adapter", "src/pool/a.ts", 'import type { A } from "../../workers/ollama.ts";\n'],
    ["job importing config", "src/job/a.ts", 'import type { C } from "../config/config.ts";\n'],
    ["config importing a stage", "src/config/a.ts", 'import "../queue/names.ts";\n'],
    ["workers importing a stage", "workers/a.ts", 'import "../src/queue/names.ts";\n'],
    ["the wiring importing a command", "src/fleet.ts", 'import "./cli/plan.ts";\n'],
    ["the program importing its tests", "src/pool/a.ts", 'import "../../test/support/b.ts";\n'],
    ["an import of a file that is not there", "src/pool/a.ts", 'import "./gone.ts";\n'],
  ])("finds %s", (_, file, source) => {
    const others = {
      "src/results/b.ts": "",
      "src/cli/plan.ts": "",
      "test/support/b.ts": "",
      "workers/ollama.ts": "",
    };
    expect(problemsOf({ ...soundTree, ...others, [file]: source })).toEqual([
      expect.stringContaining(`${file}:1: imports`),
    ]);
  });

  it("finds a file of src/ that is in no room", () => {
    expect(problemsOf({ "src/utilities.ts": 'import "./pool/a.ts";\n', "src/pool/a.ts": "" })).toEqual([
      expect.stringContaining("src/utilities.ts: in no room"),
    ]);
  });

  it("finds a cycle, types included", () => {
    const problems = problemsOf({
      "src/job/a.ts": 'import "./b.ts";\n',
      "src/job/b.ts": 'import "./c.ts";\n',
      "src/job/c.ts": 'import type { A } from "./a.ts";\n',
    });
    expect(problems).toEqual(["import cycle: src/job/a.ts -> src/job/b.ts -> src/job/c.ts -> src/job/a.ts"]);
  });

  it.each(["src/pool/a.ts", "src/pool/a.lua", "workers/a.ts", "scripts/a.ts", "scripts/setup/a.sh", "test/a.test.ts"])(
    "finds %s when it has 251 lines, and not when it has 250",
    (file) => {
      expect(problemsOf({ [file]: "\n".repeat(250) })).toEqual([]);
      expect(problemsOf({ [file]: "\n".repeat(251) })).toEqual([expect.stringContaining(`${file}: 251 lines`)]);
    },
  );

  it.each([
    ["the environment", "src/pool/a.ts", "const home = process.env.HOME;"],
    ["the environment in an adapter", "workers/a.ts", "const { HOME } = process.env;"],
    ["an exit code", "src/cli/run.ts", "process.exitCode = 2;"],
    ["an exit", "src/pool/a.ts", "process.exit(1);"],
    ["BullMQ's control flow", "src/pool/a.ts", "throw new UnrecoverableError();"],
    ["a key name made of a template", "src/pool/a.ts", "const key = `{${fleet}}/slots`;"],
    ["a key name that is spelt out", "src/results/a.ts", 'const key = "{promptfleet}:claude:wait";'],
  ])("finds %s away from its home", (_, file, line) => {
    expect(problemsOf({ [file]: `\n${line}\n` })).toEqual([expect.stringMatching(`^${file}:2: `)]);
  });

  it("takes no offence at comments, nor at templates that only begin with a value", () => {
    const source = "/** Not process.env. */\nconst a = `${b}/c`; // nor process.exit\nconst d = `{ ${b}: 1 }`;\n";
    expect(problemsOf({ "src/pool/a.ts": source })).toEqual([]);
  });
});
