import { problemsOfRule } from "./consensus-check.ts";
import { readDetectRule } from "./detect-rules.ts";
import { locate } from "./location.ts";
import { suggestName } from "./nearest.ts";
import { type ConfigPath, type Problem, showValue } from "./problems.ts";
import { providerFacts } from "./providers.ts";
import { type ConfigFile, reservedTierNames, type TaskFile, type TierFile } from "./schema.ts";

/** What no shape can tell: names that must exist, keys that must be there after merging, values that contradict. */
export function checkConfig(file: ConfigFile): Problem[] {
  const tiers = file.tiers ?? {};
  const models = file.models ?? {};
  const tasks = file.tasks ?? {};
  const trustedHosts = trustedHostsOf(file);
  const problems = [
    ...Object.entries(tiers).flatMap(([name, tier]) => checkTier(name, tier, trustedHosts)),
    ...Object.entries(models).flatMap(([name, model]) => [
      ...nameProblem(["models", name, "tier"], model.tier, "tier", Object.keys(tiers)),
      ...(model.model === undefined
        ? [missing(["models", name, "model"], 'the provider\'s id of the model, or "auto"')]
        : []),
    ]),
    ...Object.entries(tasks).flatMap(([name, task]) => checkTask(name, task, models, tiers)),
  ];
  for (const section of ["tiers", "models", "tasks"] as const) {
    if (Object.keys(file[section] ?? {}).length > 0) continue;
    problems.push({
      path: [section],
      expected: `at least one of the ${section}`,
      found: "none",
      mend: `add "${section}", or "extends": "default" for those of the packaged config`,
    });
  }
  const taskNames = Object.keys(tasks);
  if (taskNames.length > 0) problems.push(...nameProblem(["defaultTask"], defaultTaskOf(file), "task", taskNames));
  for (const [at, written] of (file.policy?.detect ?? []).entries()) {
    const rule = readDetectRule(written);
    if ("finds" in rule) continue;
    problems.push({ path: ["policy", "detect", at], ...rule, found: showValue(written, []) });
  }
  return problems;
}

/** The task of rows that name none: as configured, else `simple`. */
export function defaultTaskOf(file: ConfigFile): string {
  return file.defaultTask ?? "simple";
}

/** Hosts that count as local whatever their address, in lower case as URLs have them. */
export function trustedHostsOf(file: ConfigFile): string[] {
  return (file.policy?.trustedHosts ?? []).map((host) => host.toLowerCase());
}

/** The URLs of a tier, with the path of its API: as configured, else where its provider listens by default. */
export function baseUrlsOf(tier: TierFile): string[] {
  if (tier.provider === undefined) return [];
  const { defaultBaseUrl, apiPath } = providerFacts[tier.provider];
  return [tier.baseUrl ?? defaultBaseUrl ?? []].flat().map((written) => {
    const url = written.replace(/\/+$/, "");
    return apiPath !== undefined && new URL(url).pathname === "/" ? url + apiPath : url;
  });
}

function missing(path: ConfigPath, expected: string): Problem {
  return { path, expected, found: "nothing", mend: `add "${path.at(-1)}"` };
}

function nameProblem(path: ConfigPath, name: string | undefined, what: string, names: readonly string[]): Problem[] {
  if (name === undefined) return [missing(path, `the name of a ${what}`)];
  if (names.includes(name)) return [];
  return [{ path, expected: `a ${what} of this config`, found: `"${name}"`, mend: suggestName(name, names) }];
}

function checkTier(name: string, tier: TierFile, trustedHosts: readonly string[]): Problem[] {
  const path = ["tiers", name];
  const problems: Problem[] = [];
  const report = (key: string[], expected: string, found: string, mend: string) =>
    problems.push({ path: [...path, ...key], expected, found, mend });
  if (reservedTierNames.includes(name)) {
    report(
      [],
      `a name other than ${reservedTierNames.join(" and ")}, which are queues of the fleet`,
      `"${name}"`,
      "rename the tier",
    );
  }
  if (tier.provider === undefined)
    return [...problems, missing([...path, "provider"], "the provider that the tier speaks to")];
  const { noUrl } = providerFacts[tier.provider];
  const baseUrls = baseUrlsOf(tier);
  if (noUrl && baseUrls.length > 0)
    report(["baseUrl"], `no base URL: ${tier.provider} is no server`, "one", "remove it");
  if (!noUrl && baseUrls.length === 0)
    problems.push(missing([...path, "baseUrl"], `the URL of the ${tier.provider} server`));
  if (new Set(baseUrls).size < baseUrls.length) report(["baseUrl"], "each URL once", "one URL twice", "remove one");
  const { impossible } = locate({ provider: tier.provider, baseUrls, declared: tier.location }, trustedHosts);
  if (impossible) {
    const trust = providerFacts[tier.provider].neverLocal
      ? ""
      : ", or name the host in policy.trustedHosts if it is yours";
    report(["location"], `"cloud": ${impossible}`, '"local"', `write "location": "cloud"${trust}`);
  }
  const { concurrency, maxConcurrency } = tier;
  if (typeof concurrency === "number" && maxConcurrency !== undefined && concurrency > maxConcurrency) {
    report(
      ["concurrency"],
      `at most maxConcurrency (${maxConcurrency})`,
      String(concurrency),
      "lower one or raise the other",
    );
  }
  return problems;
}

function checkTask(
  name: string,
  task: TaskFile,
  models: NonNullable<ConfigFile["models"]>,
  tiers: NonNullable<ConfigFile["tiers"]>,
): Problem[] {
  const path = ["tasks", name];
  const aliases = Object.keys(models);
  const fallback = task.fallback ?? [];
  const problems = nameProblem([...path, "primary"], task.primary, "model", aliases);
  fallback.forEach((alias, at) => {
    const here = [...path, "fallback", at];
    problems.push(...nameProblem(here, alias, "model", aliases));
    if (alias === task.primary || fallback.indexOf(alias) < at) {
      problems.push({
        path: here,
        expected: "each model once in a route",
        found: `"${alias}" again`,
        mend: "remove it",
      });
    }
  });
  const modelOf = (alias: string) => (Object.hasOwn(models, alias) ? models[alias] : undefined);
  const known = { modelOf, names: aliases, tiers };
  const ofRule = task.consensus === undefined ? [] : problemsOfRule(task.consensus, known);
  return [...problems, ...ofRule.map((problem) => ({ ...problem, path: [...path, "consensus", ...problem.path] }))];
}
