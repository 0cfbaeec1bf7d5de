import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createRoots, noRoots } from "../../src/serve/mcp/roots.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** `project/` with a file and a folder, beside `other/` with a secret. */
function givenFolders() {
  const folder = temporaryFolder();
  const [project, other] = [join(folder, "project"), join(folder, "other")];
  mkdirSync(join(project, "sub"), { recursive: true });
  mkdirSync(other);
  writeFileSync(join(project, "sub", "rows.jsonl"), "{}");
  writeFileSync(join(other, "secret.txt"), "secret");
  symlinkSync(join(other, "secret.txt"), join(project, "link.txt"));
  symlinkSync(other, join(project, "out"));
  return { folder, project, other, roots: createRoots([project]) };
}

describe("the folders that a client may name files of", () => {
  it("give their files, by relative and by absolute paths", async () => {
    const { project, roots } = givenFolders();
    const path = join(project, "sub", "rows.jsonl");
    expect(await roots.fileAt("sub/rows.jsonl")).toBe(path);
    expect(await roots.fileAt(path)).toBe(path);
  });

  it.each([
    ["../other/secret.txt", /expected a path without "\.\."/],
    ["sub/../../other/secret.txt", /expected a path without "\.\."/],
    ["sub/../sub/rows.jsonl", /expected a path without "\.\."/],
    ["link.txt", /found a symbolic link on the way/],
    ["out/secret.txt", /found a symbolic link on the way/],
    ["sub", /expected a plain file/],
    ["pipe", /expected a plain file/],
    ["nope.txt", /cannot open nope\.txt: it is not there/],
    ["/etc/passwd", /found one outside/],
    ["a\0b", /null byte/],
    [".", /found one outside/],
  ])("refuse %j", async (path, message) => {
    const { project, roots } = givenFolders();
    execFileSync("mkfifo", [join(project, "pipe")]);
    await expect(roots.fileAt(path)).rejects.toThrow(message);
  });

  it("refuse a file whose folder only begins like theirs", async () => {
    const { folder, roots } = givenFolders();
    mkdirSync(join(folder, "project-2"));
    writeFileSync(join(folder, "project-2", "a.txt"), "");
    await expect(roots.fileAt(join(folder, "project-2", "a.txt"))).rejects.toThrow(/found one outside/);
  });

  it("take new files for this user only, and overwrite none", async () => {
    const { project, roots } = givenFolders();
    const { path, file } = await roots.create("sub/out.jsonl");
    await file.close();
    expect(path).toBe(join(project, "sub", "out.jsonl"));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await expect(roots.create("sub/out.jsonl")).rejects.toThrow(/it is there already; choose another name/);
    for (const outside of ["out/new.jsonl", "../new.jsonl", "link.txt", "nope/new.jsonl"]) {
      await expect(roots.create(outside)).rejects.toThrow();
    }
    expect(readFileSync(join(project, "link.txt"), "utf8")).toBe("secret");
  });

  it("work where the folder itself is reached through a link", async () => {
    const { folder, project } = givenFolders();
    symlinkSync(project, join(folder, "alias"));
    const roots = createRoots([join(folder, "alias")]);
    expect(await roots.fileAt("sub/rows.jsonl")).toBe(join(project, "sub", "rows.jsonl"));
  });

  it("are none for clients of other machines", async () => {
    await expect(noRoots.fileAt("a.txt")).rejects.toThrow(/reads and writes no files for its clients/);
    await expect(noRoots.create("a.txt")).rejects.toThrow(/reads and writes no files/);
  });
});
