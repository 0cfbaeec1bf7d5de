import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { givenProject, type Project } from "../support/cli.ts";
import { assertEachResultOnce } from "../support/laws.ts";

const sources: Record<string, string> = {
  "src/index.ts": "export const one = 1; // #index\n",
  "src/deep/nested/leaf.ts": "export type Leaf = never; // #leaf\n",
  "src/deep/branch.ts": "// grüße {{path}} and #branch\n",
  "src/b.ts": 'const quoted = " #b ";\n',
  "src/notes.md": "no source: #notes\n",
  "src/node_modules/dependency/index.ts": "// somebody else's: #dependency\n",
  "README.md": "#readme\n",
};
const expected = ["src/b.ts", "src/deep/branch.ts", "src/deep/nested/leaf.ts", "src/index.ts"];

/** The command as README.md prints it, so that what is printed there is what is tested. */
const command =
  /^scripts\/promptfleet (run 'src\/\*\*\/\*\.ts' .*)$/m.exec(readFileSync("README.md", "utf8"))?.[1] ?? "";
const recipe = command.split(" ").map((word) => word.replaceAll("'", ""));
const templatePath = recipe.at(-1)!;
// The line end of the file's last line is no part of the prompt.
const template = readFileSync(templatePath, "utf8").replace(/\n$/, "");

/** The README's recipe, in a folder of sources, with a config whose task `documentation` goes to the SIMULATED backend. */
async function givenSources(): Promise<{ project: Project; prompts: Map<string, string> }> {
  const prompts = new Map<string, string>();
  const project = await givenProject({
    backend: {
      answer: ({ key, body }) => {
        prompts.set(key, (body.messages as { content: string }[]).at(-1)!.content);
        return `documentation of ${key}`;
      },
    },
    config: { tasks: { documentation: { primary: "small" } } },
  });
  for (const [path, text] of Object.entries(sources)) {
    mkdirSync(dirname(project.path(path)), { recursive: true });
    writeFileSync(project.path(path), text);
  }
  mkdirSync(dirname(project.path(templatePath)), { recursive: true });
  project.write(templatePath, `${template}\n`);
  return { project, prompts };
}

describe("the README's recipe that documents a folder of sources", () => {
  it("is a command with a task and a template", () => {
    expect(recipe.slice(0, 2)).toEqual(["run", "src/**/*.ts"]);
    expect(recipe.join(" ")).toMatch(/ -o docs\.jsonl --task documentation --prompt-file \S+$/);
  });

  it("gives one line a file in the order of their paths, each with its path", async () => {
    const { project, prompts } = await givenSources();
    expect(await project.start(recipe).ended).toMatchObject({ code: 0, stdout: "" });
    const results = assertEachResultOnce(project.path("docs.jsonl"), expected.length);
    expect(results.map(({ id }) => id)).toEqual(expected);
    expect(results.map(({ metadata }) => metadata)).toEqual(expected.map((path) => ({ path })));
    expect(new Set(results.map(({ task }) => task))).toEqual(new Set(["documentation"]));
    expect(results.map(({ text }) => text)).toEqual(
      ["b", "branch", "leaf", "index"].map((key) => `documentation of ${key}`),
    );
    // The whole text of each file at its place in the template, and nothing in it taken for a column.
    const [path, text] = ["src/deep/branch.ts", sources["src/deep/branch.ts"]!];
    expect(prompts.get("branch")).toBe(template.replace("{{path}}", path).replace("{{text}}", text));
    expect(prompts.get("branch")).toContain(`${path}\n\n// grüße {{path}} and #branch`);
    expect([...prompts.keys()].toSorted()).toEqual(["b", "branch", "index", "leaf"]);
  });

  it("asks nothing when it is run again, and only for files that are given when its folder is", async () => {
    const { project } = await givenSources();
    await project.start(recipe).ended;
    const again = await project.start(recipe).ended;
    expect(again.code).toBe(0);
    expect(again.stderr).toContain("whole already");
    expect(project.backend.requests()).toBe(expected.length);
    const folder = recipe.map((word) => (word === "docs.jsonl" ? "deep.jsonl" : word)).with(1, "src/deep");
    expect(await project.start(folder).ended).toMatchObject({ code: 0 });
    const results = assertEachResultOnce(project.path("deep.jsonl"), 2);
    expect(results.map(({ id }) => id)).toEqual([
      join("src", "deep", "branch.ts"),
      join("src", "deep", "nested", "leaf.ts"),
    ]);
  });

  it("leaves out a file that holds no text, and says so; one in another encoding fails, and stops nothing", async () => {
    const { project } = await givenSources();
    writeFileSync(project.path("src/binary.ts"), Buffer.from([0x00, 0x01, 0x02, 0x00]));
    writeFileSync(project.path("src/latin1.ts"), Buffer.from("// gr\u00fc\u00dfe #latin1\n", "latin1"));
    const { code, stderr } = await project.start(recipe).ended;
    expect(code).toBe(2);
    expect(stderr).toMatch(/binary/);
    const results = assertEachResultOnce(project.path("docs.jsonl"), expected.length + 1);
    const failed = results.filter(({ status }) => status === "failed");
    expect(failed.map(({ id, error }) => [id, error?.code])).toEqual([["src/latin1.ts", "invalid_row"]]);
    expect(failed[0]?.error?.message).toContain("UTF-8");
  });

  it("refuses a template that names no column, before anything is asked", async () => {
    const { project } = await givenSources();
    project.write(templatePath, "Document this file.");
    const { code, stderr } = await project.start(recipe).ended;
    expect(code).toBe(1);
    expect(stderr).toContain(templatePath);
    expect(stderr).toContain("{{text}}");
    expect(project.backend.requests()).toBe(0);
  });
});
