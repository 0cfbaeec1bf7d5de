import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..", "..");
let dist: string;

beforeAll(() => {
  dist = mkdtempSync(join(tmpdir(), "pf-bundle-"));
  execFileSync("node", ["scripts/setup/bundle.ts", dist], { cwd: root });
});
afterAll(() => rmSync(dist, { recursive: true, force: true }));

const chunks = () =>
  readdirSync(join(dist, "src")).map((name) => ({ name, code: readFileSync(join(dist, "src", name), "utf8") }));

describe("the bin in a few files", () => {
  it("finds files beside a module where that was compiled to", () => {
    const asked = chunks().flatMap(({ name, code }) =>
      [...code.matchAll(/new URL\("(\.[^"]+)", new URL\("([^"]+)", import\.meta\.url\)\.href\)/g)].map(
        ([, file, module]) => new URL(file!, new URL(module!, pathToFileURL(join(dist, "src", name)))).href,
      ),
    );
    const inSources = asked.map((href) => href.replace(pathToFileURL(dist).href, pathToFileURL(root).href));
    expect(inSources.length).toBeGreaterThan(15);
    expect(inSources.filter((href) => !existsSync(new URL(href)))).toEqual([]);
  });

  it("leaves out what a process may have but once, and holds the packages of every run", () => {
    const imported = new Set(
      chunks().flatMap(({ code }) => [...code.matchAll(/from "([^."][^"]*)"/g)].map(([, id]) => id)),
    );
    expect(imported).toContain("@opentelemetry/api");
    for (const name of ["bullmq", "ioredis", "undici", "zod", "commander"]) expect(imported).not.toContain(name);
  });
});
