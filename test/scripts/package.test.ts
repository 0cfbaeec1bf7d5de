import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

interface LockedPackage {
  readonly dev?: boolean;
  readonly engines?: { readonly node?: string };
}

const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8")) as {
  packages: Record<string, LockedPackage>;
};

/** [22, 19] for ">=22.19" and ">= 22.19.0"; alternatives (`||`) are the business of packages that support old Nodes. */
function oldestNode(range: string | undefined): [number, number] | undefined {
  const match = /^>=\s*v?(\d+)(?:\.(\d+))?(?:\.\d+)?$/.exec(range ?? "");
  return match === null ? undefined : [Number(match[1]), Number(match[2] ?? 0)];
}

it("asks for a Node that all packages of the program run on", () => {
  const ours = oldestNode(packages[""]?.engines?.node);
  expect(ours).toBeDefined();
  const [major, minor] = ours!;
  const newer = Object.entries(packages).filter(([, { dev, engines }]) => {
    const needed = oldestNode(engines?.node);
    return dev !== true && needed !== undefined && (needed[0] > major || (needed[0] === major && needed[1] > minor));
  });
  expect(newer.map(([place, { engines }]) => `${place} needs ${engines?.node}`)).toEqual([]);
});
