import { chmodSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { dataFolder, findExecutable, readVariable, redisUrl, terminalHints } from "../../src/config/environment.ts";
import { givenFiles } from "./given-files.ts";

describe("the data folder", () => {
  const home = { HOME: "/home/me" };
  it.each([
    ["the flag", "/flag", { ...home, PROMPTFLEET_DATA_DIR: "/variable", XDG_STATE_HOME: "/state" }, "/flag"],
    [
      "PROMPTFLEET_DATA_DIR",
      undefined,
      { ...home, PROMPTFLEET_DATA_DIR: "/variable", XDG_STATE_HOME: "/state" },
      "/variable",
    ],
    ["XDG_STATE_HOME", undefined, { ...home, XDG_STATE_HOME: "/state" }, "/state/promptfleet"],
    ["the home folder", undefined, home, "/home/me/.local/state/promptfleet"],
    [
      "the home folder, where XDG_STATE_HOME is relative",
      undefined,
      { ...home, XDG_STATE_HOME: "state" },
      "/home/me/.local/state/promptfleet",
    ],
  ])("is that of %s", (_title, flag, environment, expected) => {
    expect(dataFolder(flag, environment)).toBe(expected);
  });

  it("is absolute even when it is given relative", () => {
    expect(dataFolder("data", home)).toBe(resolve("data"));
  });
});

describe("variables", () => {
  it("count as not set when they are empty", () => {
    expect(readVariable("A", { A: "" })).toBeUndefined();
    expect(redisUrl(undefined, { REDIS_URL: "" })).toBeUndefined();
    expect(redisUrl(undefined, { REDIS_URL: "redis://a" })).toBe("redis://a");
    expect(redisUrl("redis://b", { REDIS_URL: "redis://a" })).toBe("redis://b");
  });

  it("say how to draw", () => {
    expect(terminalHints({ NO_COLOR: "1", TERM: "dumb", CI: "true" })).toEqual({
      noColor: true,
      isDumb: true,
      isCi: true,
    });
    expect(terminalHints({ TERM: "xterm", CI: "false" })).toEqual({ noColor: false, isDumb: false, isCi: false });
  });
});

describe("findExecutable", () => {
  it("finds the first file on PATH that may be run, and no folder", () => {
    const folder = givenFiles({ "a/tool/x": "", "b/tool": "", "c/tool": "#!/bin/sh", "d/tool": "#!/bin/sh" });
    for (const name of ["c", "d"]) chmodSync(join(folder, name, "tool"), 0o755);
    const path = ["a", "b", "c", "d"].map((name) => join(folder, name)).join(":");
    expect(findExecutable("tool", { PATH: `:relative:${path}` })).toBe(join(folder, "c", "tool"));
    expect(findExecutable("other", { PATH: path })).toBeUndefined();
    expect(findExecutable("tool", {})).toBeUndefined();
  });
});
