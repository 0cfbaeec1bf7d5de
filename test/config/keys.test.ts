import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseKeyFile, shownKey } from "../../src/config/keys.ts";
import { givenFiles, loadIn, refusalOf } from "./given-files.ts";

const ownFile = ".config/promptfleet/env";
const sharedFile = ".config/claude-code/env";

describe("the key of a tier", () => {
  it("is taken from the environment before any file", async () => {
    const home = givenFiles({ [ownFile]: "OPENAI_API_KEY=from-file\n" });
    const config = await loadIn(home, { environment: { OPENAI_API_KEY: "from-environment" } });
    expect(config.keyOf("openai")).toBe("from-environment");
  });

  it("is taken from promptfleet's own file before the shared one, key by key", async () => {
    const home = givenFiles({
      [ownFile]: "OPENAI_API_KEY=own\nANTHROPIC_API_KEY=\n",
      [sharedFile]: "OPENAI_API_KEY=s\nANTHROPIC_API_KEY=shared",
    });
    const config = await loadIn(home);
    expect([config.keyOf("openai"), config.keyOf("claude")]).toEqual(["own", "shared"]);
  });

  it("is undefined where there is none, also for a tier that needs none or does not exist", async () => {
    const config = await loadIn(givenFiles(), { environment: { OPENAI_API_KEY: "" } });
    expect(["openai", "ollama", "nothing"].map((tier) => config.keyOf(tier))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("is the provider's usual one for a tier that names none, but never for another address", async () => {
    const tiers = {
      plain: { provider: "openai" },
      proxy: { provider: "openai", baseUrl: "https://proxy.example.net/v1" },
    };
    const models = { m: { tier: "plain", model: "gpt-4o" } };
    const home = givenFiles({ "promptfleet.json": { tiers, models, tasks: { simple: { primary: "m" } } } });
    const config = await loadIn(home, { environment: { OPENAI_API_KEY: "mine" } });
    expect([config.keyOf("plain"), config.keyOf("proxy")]).toEqual(["mine", undefined]);
  });

  it("does not show when the config is printed", async () => {
    const config = await loadIn(givenFiles(), {
      environment: { OPENAI_API_KEY: "SECRET", ANTHROPIC_API_KEY: "SECRET" },
    });
    const { inspect } = await import("node:util");
    expect(JSON.stringify(config) + inspect(config, { depth: 10 })).not.toContain("SECRET");
  });
});

describe("a key that is shown", () => {
  it.each([
    ["sk-ant-0123456789abcdef", "sk-…cdef"],
    ["0123456789abcdefgh", "…efgh"],
    ["sk-short", "sk-…"],
    ["short", "…"],
  ])("shows its last four characters at most, and none of a short one: %s", (key, shown) => {
    expect(shownKey(key)).toBe(shown);
  });
});

describe("a key that is looked up again", () => {
  it("is what its file says now, and stays what the environment says", async () => {
    const home = givenFiles({ [ownFile]: "OPENAI_API_KEY=old\nANTHROPIC_API_KEY=old\n" });
    const config = await loadIn(home, { environment: { ANTHROPIC_API_KEY: "environment" } });
    writeFileSync(join(home, ownFile), "OPENAI_API_KEY=new\nANTHROPIC_API_KEY=new\n");
    const again = await Promise.all(["openai", "claude", "ollama"].map((tier) => config.rereadKeyOf(tier)));
    expect(again).toEqual(["new", "environment", undefined]);
    expect(config.keyOf("openai")).toBe("old");
    chmodSync(join(home, ownFile), 0o644);
    await expect(config.rereadKeyOf("openai")).rejects.toThrow(/chmod 600/);
  });
});

describe("a key file", () => {
  it.each([0o644, 0o640, 0o604, 0o660])("is refused with the chmod that mends it when its mode is %o", async (mode) => {
    for (const file of [ownFile, sharedFile]) {
      const home = givenFiles({ [file]: "OPENAI_API_KEY=SECRET\n" });
      chmodSync(join(home, file), mode);
      const refusal = await refusalOf(loadIn(home));
      expect(refusal).toContain(`chmod 600 '${join(home, file)}'`);
      expect(refusal).toContain(mode.toString(8));
      expect(refusal).not.toContain("SECRET");
    }
  });

  it("is not looked at when the environment has all keys", async () => {
    const home = givenFiles({ [ownFile]: "OPENAI_API_KEY=file\n" }, 0o644);
    const environment = { OPENAI_API_KEY: "a", ANTHROPIC_API_KEY: "b" };
    expect((await loadIn(home, { environment })).keyOf("openai")).toBe("a");
  });

  it("that is a folder is refused in words", async () => {
    const home = givenFiles({ [`${ownFile}/x`]: "" });
    chmodSync(join(home, ownFile), 0o700);
    expect(await refusalOf(loadIn(home))).toContain("cannot read the key file");
  });

  it("has lines as a shell reads them", () => {
    const text = [
      "\uFEFFPLAIN=abc",
      "  export EXPORTED = spaced  # comment",
      'DOUBLE="with # and space" # comment',
      "SINGLE='it is \"quoted\"'",
      "# COMMENTED=no",
      "EQUALS=a=b==",
      "EMPTY=",
      "QUOTED_EMPTY=''",
      "ONLY_COMMENT= # nothing",
      "no line of this kind",
      'BROKEN="open',
      "WINDOWS=value\r",
    ].join("\n");
    expect(Object.fromEntries(parseKeyFile(text))).toEqual({
      PLAIN: "abc",
      EXPORTED: "spaced",
      DOUBLE: "with # and space",
      SINGLE: 'it is "quoted"',
      EQUALS: "a=b==",
      WINDOWS: "value",
    });
  });
});
