import { execFile } from "node:child_process";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { defineMcp } from "../../src/cli/commands/mcp.ts";
import { loadConfig, packagedConfigPath } from "../../src/config/load.ts";
import { packageRoot } from "../../src/config/package-root.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const skillPath = join(packageRoot(), "config", "skills", "promptfleet", "SKILL.md");
const generate = (...flags: string[]) =>
  promisify(execFile)(process.execPath, [join(packageRoot(), "scripts", "gen-skill.ts"), ...flags]);

interface Started {
  readonly command?: string;
  readonly args?: string[];
  readonly url?: string;
}

interface Entry {
  readonly into: string;
  readonly paste: string | Record<string, Record<string, Started>>;
}

describe("what an assistant is given", () => {
  it("names every task and model of the packaged config in the skill", async () => {
    const skill = readFileSync(skillPath, "utf8");
    const { tasks, models } = await loadConfig({ configPath: packagedConfigPath(), environment: {} });
    for (const name of [...Object.keys(tasks), ...Object.keys(models)]) expect(skill).toContain(`\`${name}\``);
    expect(skill).toMatch(/^---\nname: promptfleet\ndescription: .{50,1000}\n---\n/);
  });

  it("notices a skill whose tables are stale, and mends it", async () => {
    const output = join(temporaryFolder(), "SKILL.md");
    copyFileSync(skillPath, output);
    await generate("--check", "--output", output);
    writeFileSync(output, readFileSync(output, "utf8").replace("claude.opus", "claude.ops"));
    await expect(generate("--check", "--output", output)).rejects.toThrow(/is stale: node scripts\/gen-skill\.ts/);
    await generate("--output", output);
    expect(readFileSync(output, "utf8")).toBe(readFileSync(skillPath, "utf8"));
  });

  it("starts a program that there is, with options that it has, whatever the client", () => {
    const file = JSON.parse(readFileSync(join(packageRoot(), "config", "mcp-servers.json"), "utf8")) as Record<
      string,
      Entry
    >;
    const { about: _about, ...clients } = file;
    expect(Object.keys(clients)).toEqual([
      "claude-code",
      "claude-desktop",
      "cursor",
      "vscode",
      "codex",
      "a-running-server",
    ]);
    for (const { into, paste } of Object.values(clients)) {
      expect(into.length).toBeGreaterThan(10);
      const servers =
        typeof paste === "string" ? [readToml(paste)] : Object.values(paste).map((one) => one.promptfleet!);
      for (const { command, args, url } of servers) {
        if (url !== undefined) expect(new URL(url).pathname).toBe("/mcp");
        else expect([command, args?.[0]]).toEqual(["promptfleet", "mcp"]);
        const cli = new Command().exitOverride();
        defineMcp(cli, () => {});
        const mcp = cli.commands[0]!;
        mcp.exitOverride().configureOutput({ writeErr: () => {} });
        mcp.action(() => {});
        cli.parse(args ?? ["mcp"], { from: "user" });
      }
    }
  });
});

/** The two lines that matter of Codex' table. */
function readToml(text: string): Started {
  const read = (key: string) => JSON.parse(new RegExp(`^${key} = (.*)$`, "m").exec(text)?.[1] ?? "null") as unknown;
  return { command: read("command") as string, args: read("args") as string[] };
}
