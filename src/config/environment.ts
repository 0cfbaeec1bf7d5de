import { accessSync, constants, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, isAbsolute, join, resolve } from "node:path";

/*
 * The one reader of environment variables (with its neighbours in this folder). Each function takes the variables as
 * its last argument so that tests need not change the process; an empty variable counts as not set.
 */
export type Environment = Readonly<Record<string, string | undefined>>;

/** One variable, or undefined when it is unset or empty. */
export function readVariable(name: string, environment: Environment = process.env): string | undefined {
  return environment[name] || undefined;
}

/** The user's home folder: `HOME`, else what the system says. */
export function homeFolder(environment: Environment = process.env): string {
  return readVariable("HOME", environment) ?? homedir();
}

/** Where runs of one user share their Redis, quotas and budgets: the flag, else the variables, else one per user. */
export function dataFolder(flag?: string, environment: Environment = process.env): string {
  const chosen = flag ?? readVariable("PROMPTFLEET_DATA_DIR", environment);
  if (chosen) return resolve(chosen);
  // The XDG specification says that a relative path is to be ignored.
  const state = readVariable("XDG_STATE_HOME", environment);
  const base = state && isAbsolute(state) ? state : join(homeFolder(environment), ".local", "state");
  return join(base, "promptfleet");
}

/** Where what was spent on each day lies, in a data directory. */
export const spendFolder = (dataDirectory: string): string => join(dataDirectory, "spend");

/** Where the audit of a data directory lies. */
export const auditFolder = (dataDirectory: string): string => join(dataDirectory, "audit");

/** The Redis to use instead of the embedded one: the flag, else `REDIS_URL`. It may hold a password: do not print it. */
export function redisUrl(flag?: string, environment: Environment = process.env): string | undefined {
  return flag ?? readVariable("REDIS_URL", environment);
}

/** The config that `PROMPTFLEET_CONFIG` names. */
export function configPathVariable(environment: Environment = process.env): string | undefined {
  return readVariable("PROMPTFLEET_CONFIG", environment);
}

/** The fleet that `PROMPTFLEET_FLEET` names. */
export function fleetVariable(environment: Environment = process.env): string | undefined {
  return readVariable("PROMPTFLEET_FLEET", environment);
}

export interface TracesSettings {
  readonly serviceName: string;
  /** The share of traces that are kept. */
  readonly ratio: number;
}

/** OpenTelemetry's own variables; undefined when none names a collector. Its packages read the rest of them. */
export function tracesSettings(environment: Environment = process.env): TracesSettings | undefined {
  const endpoint = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"].find(
    (name) => readVariable(name, environment) !== undefined,
  );
  if (endpoint === undefined || readVariable("OTEL_SDK_DISABLED", environment)?.toLowerCase() === "true")
    return undefined;
  const ratio = Number(readVariable("OTEL_TRACES_SAMPLER_ARG", environment) ?? 1);
  return {
    serviceName: readVariable("OTEL_SERVICE_NAME", environment) ?? "promptfleet",
    ratio: ratio >= 0 && ratio <= 1 ? ratio : 1,
  };
}

/** What the surroundings say about how to draw: no colours, no terminal tricks, a CI machine. */
export function terminalHints(environment: Environment = process.env): {
  noColor: boolean;
  isDumb: boolean;
  isCi: boolean;
} {
  const ci = readVariable("CI", environment);
  return {
    noColor: readVariable("NO_COLOR", environment) !== undefined,
    isDumb: readVariable("TERM", environment) === "dumb",
    isCi: ci !== undefined && ci !== "false" && ci !== "0",
  };
}

/** What any program needs to find its files, its language and its way out; never a key. */
const surroundings = [
  ...["PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "XDG_CONFIG_HOME"],
  ...["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "all_proxy", "no_proxy"],
  ...["SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"],
];

/** The variables that a program of others is started with: its surroundings and those named, as far as they are set. */
export function environmentOfProgram(
  names: readonly string[],
  environment: Environment = process.env,
): Record<string, string> {
  const variables = [...surroundings, ...names].map((name) => [name, readVariable(name, environment)] as const);
  return Object.fromEntries(variables.filter((one): one is [string, string] => one[1] !== undefined));
}

/** The first program of this name on `PATH` that may be run, as an absolute path. */
export function findExecutable(name: string, environment: Environment = process.env): string | undefined {
  const folders = (environment.PATH ?? "").split(delimiter).filter(isAbsolute);
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
