/** What `node --cpu-prof` writes, as far as it is read here. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  /** Node id at each sample, and the µs since the sample before. */
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export interface ProfileSummary {
  readonly busyUs: number;
  readonly idleUs: number;
  /** By falling `totalUs`; together they are `busyUs`, by either sum. */
  readonly modules: readonly ModuleTime[];
  /** By falling time. */
  readonly functions: readonly { readonly name: string; readonly selfUs: number }[];
}

export interface ModuleTime {
  /** A package, a stage of ours (`src/pool`), `node` for Node's own code, `(garbage collector)`, `(program)`. */
  readonly module: string;
  /** In its own functions. */
  readonly selfUs: number;
  /** With the time in Node's own and in native code that it called; callbacks count for whoever they belong to. */
  readonly totalUs: number;
}

type ProfileNode = CpuProfile["nodes"][number];

/** Sums a profile by module: to whom the time belongs is what a list of functions does not show. */
export function summarise({ nodes, samples, timeDeltas }: CpuProfile): ProfileSummary {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id] as const)));
  const responsible = new Map<number, string>();

  function responsibleFor(node: ProfileNode): string {
    let module = responsible.get(node.id);
    if (module === undefined) {
      module = moduleOf(node);
      const parent = byId.get(parents.get(node.id) ?? -1);
      if ((module === "node" || module === "native") && parent !== undefined && moduleOf(parent) !== "(root)")
        module = responsibleFor(parent);
      responsible.set(node.id, module);
    }
    return module;
  }

  const modules = new Map<string, { selfUs: number; totalUs: number }>();
  const functions = new Map<string, number>();
  let busyUs = 0;
  let idleUs = 0;
  const timeOf = (module: string) => {
    const time = modules.get(module) ?? { selfUs: 0, totalUs: 0 };
    modules.set(module, time);
    return time;
  };
  for (const [at, id] of samples.entries()) {
    const node = byId.get(id)!;
    // The time between two samples belongs to the later one's function; clocks may step back a little.
    const spentUs = Math.max(0, timeDeltas[at] ?? 0);
    if (node.callFrame.functionName === "(idle)") {
      idleUs += spentUs;
      continue;
    }
    busyUs += spentUs;
    timeOf(moduleOf(node)).selfUs += spentUs;
    timeOf(responsibleFor(node)).totalUs += spentUs;
    const name = nameOf(node);
    functions.set(name, (functions.get(name) ?? 0) + spentUs);
  }
  return {
    busyUs,
    idleUs,
    modules: [...modules]
      .map(([module, time]) => ({ module, ...time }))
      .sort((one, other) => other.totalUs - one.totalUs),
    functions: [...functions]
      .map(([name, selfUs]) => ({ name, selfUs }))
      .sort((one, other) => other.selfUs - one.selfUs),
  };
}

function moduleOf({ callFrame: { url, functionName } }: ProfileNode): string {
  if (url === "") return functionName.startsWith("(") ? functionName : "native";
  if (url.startsWith("node:")) return "node";
  const packagePath = url.split("/node_modules/").at(-1)!;
  if (packagePath !== url) return packagePath.split("/", packagePath.startsWith("@") ? 2 : 1).join("/");
  const own = /\/(src\/[^/]+|workers)\/[^/]+$/.exec(url) ?? /\/(src\/[^/]+)$/.exec(url);
  return own?.[1]?.replace(/\.[jt]s$/, "") ?? url;
}

function nameOf({ callFrame: { url, functionName, lineNumber } }: ProfileNode): string {
  if (url === "") return functionName;
  const where = url.replace(/^.*\/(?:node_modules|dist)\//, "").replace(/^file:.*\/(src|workers)\//, "$1/");
  return `${functionName || "(anonymous)"} ${where}:${lineNumber + 1}`;
}
