/**
 * Holds the rooms of the program apart: `node scripts/check-layers.ts [FOLDER]` prints every break of a rule below and
 * exits 1. It reads the sources as text, line by line; that is enough for sources which biome has formatted.
 */
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Longest file, in lines. */
const longestFile = 250;

/** Files that may be longer, each with its reason. */
const longFiles: Readonly<Record<string, string>> = {};

/** Files of a stage that others may import, each with its reason. A reason of `types` files: only `import type`. */
const sharedFiles: Readonly<Record<string, { typesOnly: boolean; reason: string }>> = {
  "workers/adapter.ts": { typesOnly: true, reason: "the contract between a pool and the adapters" },
  "src/queue/names.ts": { typesOnly: false, reason: "every key name has its one home there" },
  "src/queue/redis-script.ts": { typesOnly: false, reason: "how any stage's Lua script is loaded and called" },
  "src/queue/coalesce.ts": { typesOnly: false, reason: "one round trip for the script calls of one turn" },
};

/** The wiring, which may import every room: the only files that lie in src/ itself, but for the bin. */
const wiring = [
  "src/fleet.ts",
  "src/open-fleet.ts",
  "src/ask-models.ts",
  "src/join-options.ts",
  "src/online-call.ts",
  "src/ask-consensus.ts",
  "src/index.ts",
  "src/own-batch.ts",
  "src/batch-ownership.ts",
  "src/file-batch.ts",
  "src/retry-row.ts",
  "src/own-votes.ts",
  "src/live-votes.ts",
  "src/place-votes.ts",
  "src/collect-batch.ts",
  "src/store-results.ts",
  "src/plan-votes.ts",
  "src/run-file.ts",
  "src/run-report.ts",
  "src/prepare-lines.ts",
  "src/list-routes.ts",
  "src/read-lines.ts",
  "src/finished-output.ts",
  "src/join-redis.ts",
  "src/plan-row.ts",
  "src/plan-run.ts",
  "src/plan-json.ts",
  "src/judge-lines.ts",
  "src/live-batch.ts",
  "src/foreign-jobs.ts",
  "src/examine.ts",
  "src/find-servers.ts",
  "src/look-at-redis.ts",
];

/** Where stages meet, in order: each may import those before it and everything that is no meeting place. */
const meetingPlaces = ["the wiring", "src/serve", "src/cli", "src/cli.ts"];

/** Patterns that have one home. `where` says which files are searched. */
const confinedPatterns: readonly {
  pattern: RegExp;
  home: (file: string) => boolean;
  message: string;
}[] = [
  {
    pattern: /\bprocess\.env\b/,
    home: (file) => file.startsWith("src/config/"),
    message: "process.env is read in src/config/ only: export a function from there",
  },
  {
    pattern: /\bprocess\.exit(?:Code)?\b/,
    home: (file) => file === "src/cli.ts",
    message: "only src/cli.ts ends the process: return or throw instead",
  },
  {
    pattern: /\b(?:DelayedError|WaitingError|WaitingChildrenError|RateLimitError|UnrecoverableError)\b/,
    home: (file) => file === "src/pool/run-pool.ts",
    message: "BullMQ's control-flow errors belong in src/pool/run-pool.ts: return an outcome instead",
  },
  {
    // A literal that starts with a hash tag: `{${fleet}}…` or "{promptfleet}:…".
    pattern: /`\{\$\{[^}]*\}\}|["'`]\{[\w.-]+\}[:/]/,
    home: (file) => file === "src/queue/names.ts",
    message: "key names are made in src/queue/names.ts only",
  },
];

interface Import {
  readonly target: string;
  readonly typesOnly: boolean;
  readonly line: number;
}

/** Every break of a rule under `root`, as `file:line: what`, in the order of the files. */
export function checkLayers(root: string): string[] {
  const files = globSync("{src,workers,scripts,test}/**/*.{ts,lua,sh}", { cwd: root }).sort();
  const problems: string[] = [];
  const imports = new Map<string, readonly Import[]>();
  for (const file of files) {
    const source = readFileSync(join(root, file), "utf8");
    problems.push(...checkLength(file, source));
    if (!file.endsWith(".ts") || !/^(?:src|workers)\//.test(file)) continue;
    const lines = withoutComments(source).split("\n");
    const found = importsOf(root, file, lines);
    imports.set(file, found);
    if (roomOf(file) === file && file !== "src/cli.ts") {
      problems.push(
        `${file}: in no room; put it into a folder of src/, or among the wiring in scripts/check-layers.ts`,
      );
      continue;
    }
    problems.push(...found.flatMap((one) => checkArrow(file, one)));
    problems.push(...checkConfinedPatterns(file, lines));
  }
  for (const file of Object.keys(longFiles)) {
    if (!files.includes(file))
      problems.push(`scripts/check-layers.ts: the exception for ${file} is of no use any more`);
  }
  return [...problems, ...findCycles(imports)];
}

function checkLength(file: string, source: string): string[] {
  const lines = source.split("\n").length - 1;
  const excepted = file in longFiles;
  if (lines > longestFile && !excepted) return [`${file}: ${lines} lines; split what is longer than ${longestFile}`];
  if (lines <= longestFile && excepted) return [`${file}: ${lines} lines; its exception is of no use any more`];
  return [];
}

/** Comments become empty, lines stay where they are. */
function withoutComments(source: string): string {
  return source
    .replace(/^\s*\/\*[\s\S]*?\*\//gm, (comment) => comment.replace(/[^\n]/g, ""))
    .replace(/(^|\s)\/\/.*$/gm, "$1");
}

function importsOf(root: string, file: string, lines: readonly string[]): Import[] {
  const source = lines.join("\n");
  const statement =
    /^(?:import|export)\s+(type\s)?(?:[^;"'=()]*\sfrom\s+)?["'](\.[^"']*)["']|\bimport\(\s*["'](\.[^"']*)["']\s*\)/gm;
  return [...source.matchAll(statement)].map((match) => ({
    target: resolveImport(root, file, match[2] ?? match[3] ?? ""),
    typesOnly: match[1] !== undefined,
    line: source.slice(0, match.index).split("\n").length,
  }));
}

function resolveImport(root: string, file: string, specifier: string): string {
  const target = join(dirname(file), specifier);
  return existsSync(join(root, target)) ? target : `${target} (not there)`;
}

/** The room of a file: `workers`, a folder of src/, the wiring, or the file itself when it is in no room. */
function roomOf(file: string): string {
  const parts = file.split("/");
  if (parts[0] !== "src") return parts[0] ?? "";
  if (wiring.includes(file)) return "the wiring";
  return parts.length === 2 ? file : `src/${parts[1]}`;
}

function checkArrow(file: string, { target, typesOnly, line }: Import): string[] {
  const from = roomOf(file);
  const to = roomOf(target);
  const problem = (reason: string): string[] => [`${file}:${line}: imports ${target}: ${reason}`];
  if (target.endsWith("(not there)")) return problem("no such file");
  if (!["src", "workers"].includes(target.split("/")[0] ?? ""))
    return problem("the program imports src/ and workers/ only");
  const place = meetingPlaces.indexOf(from);
  if (place !== -1) {
    return meetingPlaces.indexOf(to) <= place ? [] : problem(`${from} comes before ${to}`);
  }
  if (from === to) return [];
  if (from === "src/job") return problem("src/job imports nothing");
  if (to === "src/job" || (to === "src/config" && from !== "src/config")) return [];
  const shared = sharedFiles[target];
  if (shared !== undefined && from !== "src/config" && from !== "workers") {
    return !shared.typesOnly || typesOnly ? [] : problem(`only its types are shared (${shared.reason})`);
  }
  return problem("a room imports src/job, src/config and itself; stages meet in the wiring");
}

function checkConfinedPatterns(file: string, lines: readonly string[]): string[] {
  return confinedPatterns
    .filter(({ home }) => !home(file))
    .flatMap(({ pattern, message }) =>
      lines.flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${message}`] : [])),
    );
}

/** One problem for each import that closes a circle; types count, as a circle of ideas is one too. */
function findCycles(imports: ReadonlyMap<string, readonly Import[]>): string[] {
  const cycles: string[] = [];
  const finished = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    const start = path.indexOf(file);
    if (start !== -1) {
      cycles.push(`import cycle: ${[...path.slice(start), file].join(" -> ")}`);
      return;
    }
    if (finished.has(file)) return;
    path.push(file);
    for (const { target } of imports.get(file) ?? []) visit(target);
    path.pop();
    finished.add(file);
  };
  for (const file of imports.keys()) visit(file);
  return cycles;
}

if (import.meta.main) {
  const problems = checkLayers(process.argv[2] ?? ".");
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
}
