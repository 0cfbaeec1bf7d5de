/**
 * Puts the bin and what every run of it loads into a few files: of the thousand modules of a run, finding and reading
 * them was a third of its start. The library (`src/index.js`) stays as compiled, and shares its packages with its user.
 *   node scripts/setup/bundle.ts DIST     replaces DIST/src/cli.js, with chunks beside it
 */
import { dirname, join, relative, sep } from "node:path";
import { rolldown } from "rolldown";

/** With all that these need. Others are loaded late by some commands only, or hold what a process may have but once. */
const bundledPackages = [
  ...["bullmq", "commander", "csv-parse", "fastest-levenshtein", "ioredis", "jsonc-parser", "ollama", "undici", "zod"],
];

const root = join(import.meta.dirname, "..", "..");
const isOwn = (path: string | undefined): boolean => path === undefined || !path.includes(`${sep}node_modules${sep}`);

/** Files beside a module (Redis scripts, pages) are found from where it was compiled to, as its chunk lies elsewhere. */
function namePlace(code: string, path: string): string | undefined {
  if (!isOwn(path) || !code.includes("import.meta.")) return undefined;
  const place = relative(join(root, "src"), path.replace(/\.ts$/, ".js"));
  const url = (of: string) => `new URL(${JSON.stringify(of.split(sep).join("/"))}, import.meta.url)`;
  return code
    .replaceAll("import.meta.url", `${url(place)}.href`)
    .replaceAll("import.meta.dirname", `decodeURIComponent(${url(dirname(place))}.pathname)`);
}

const bundle = await rolldown({
  cwd: root,
  platform: "node",
  input: { cli: join(root, "src", "cli.ts") },
  resolve: { mainFields: ["module", "main"] },
  external: (id, importer) =>
    isOwn(importer) && !/^[./]/.test(id) && !bundledPackages.some((name) => id === name || id.startsWith(`${name}/`)),
  plugins: [{ name: "places", transform: namePlace }],
});
await bundle.write({
  dir: join(process.argv[2]!, "src"),
  entryFileNames: "[name].js",
  chunkFileNames: "cli-[name]-[hash].js",
});
