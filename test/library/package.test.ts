import { execFile } from "node:child_process";
import { cpSync, existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, it } from "vitest";
import { readVariable } from "../../src/config/environment.ts";
import { packageRoot } from "../../src/config/package-root.ts";
import { withRedis } from "../support/redis-server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { givenFleet } from "./given-fleet.ts";

const run = promisify(execFile);
const server = withRedis();
let redis: string;
beforeAll(async () => {
  redis = await server.listenOnPort();
});

/** A user's program: it knows the package's name, its types and nothing else of it. */
const program = `
import { type Adapter, createFleet, type Result, type Row, UserError } from "promptfleet";
import { z } from "zod";

const config = JSON.parse(process.argv[2] ?? "");
const fleet = await createFleet({ config, redis: process.argv[3] ?? "", fleet: process.argv[4] ?? "" });
const rows: Row[] = [{ id: "a", task: "simple", prompt: "about #a" }];
for await (const result of fleet.run(rows, { schema: z.object({ stars: z.number() }) })) {
  const stars: number | undefined = result.json?.stars;
  // @ts-expect-error it is a number
  const wrong: string | undefined = result.json?.stars;
  console.log(result.id, stars, typeof wrong);
}
const one: Result = await fleet.enqueue({ prompt: "about #b" }).result;
// @ts-expect-error there is no such status
console.log(one.id, one.status === "done", UserError.name);
// @ts-expect-error a row has no such field
fleet.enqueue({ promt: "about #c" }).result.catch(() => {});
// @ts-expect-error an adapter is more than that
export const adapter: Adapter = { provider: "openai-compatible" };
await fleet.close();
`;

/** The package as npm would install it: what package.json's \`files\` names, built by the build's own function. */
async function installPackage(project: string): Promise<void> {
  const root = packageRoot();
  const checkout = join(project, "checkout");
  const installed = join(project, "node_modules", "promptfleet");
  const sources = ["src", "workers", "config", "scripts/setup/bundle.ts"];
  for (const name of [...sources, "package.json", "tsconfig.json", "tsconfig.build.json"]) {
    cpSync(join(root, name), join(checkout, name), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(checkout, "node_modules"));
  const build = 'set -euo pipefail; root="$1"; workspace="$2"; node="$3"; source "$4"; compile_dist';
  const dist = join(root, "scripts", "setup", "dist.sh");
  await run("bash", ["-c", build, "build", checkout, join(project, "build"), process.execPath, dist]);

  const { files } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { files: string[] };
  for (const name of ["package.json", ...files].filter((name) => existsSync(join(checkout, name)))) {
    cpSync(join(checkout, name), join(installed, name), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(installed, "node_modules"));
  for (const name of ["zod", "@types"]) {
    symlinkSync(join(root, "node_modules", name), join(project, "node_modules", name));
  }
}

it("works by its name: the built package has its types, its scripts and its config, and answers", async () => {
  const project = temporaryFolder();
  await installPackage(project);
  writeFileSync(join(project, "package.json"), '{ "type": "module" }');
  writeFileSync(join(project, "program.ts"), program);
  const strict = { module: "nodenext", target: "es2023", strict: true, noEmit: true, types: ["node"] };
  writeFileSync(
    join(project, "tsconfig.json"),
    JSON.stringify({ compilerOptions: { ...strict, skipLibCheck: true }, files: ["program.ts"] }),
  );
  const compiler = join(packageRoot(), "node_modules", "typescript", "bin", "tsc");
  const compiled = await run(process.execPath, [compiler, "-p", project]).catch((error) => error);
  expect(compiled.stdout).toBe("");

  const { config } = await givenFleet({ answer: ({ key }) => (key === "a" ? '{"stars":4}' : "hello") });
  const fleet = server.newFleetName();
  const { stdout, stderr } = await run(
    process.execPath,
    [join(project, "program.ts"), JSON.stringify(config), redis, fleet],
    { cwd: project, env: { PATH: readVariable("PATH"), HOME: project } },
  );
  expect({ stdout, stderr }).toEqual({ stdout: "a 4 number\n2 false UserError\n", stderr: "" });
}, 60_000);
