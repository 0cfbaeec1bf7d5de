import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { findExecutable, readVariable } from "../../src/config/environment.ts";

/** Where scripts/setup/python-sdks.sh puts the providers' clients for Python. */
const packages = fileURLToPath(new URL("../../.tools/python", import.meta.url));
const environment = { PATH: readVariable("PATH"), PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: "1" };

/** The Python that can load this package (`openai`, `anthropic`, `mcp`); undefined when there is none. */
export function pythonWith(packageName: string): string | undefined {
  const python = findExecutable("python3");
  if (python === undefined) return undefined;
  const { status } = spawnSync(python, ["-c", `import ${packageName}`], { env: environment });
  return status === 0 ? python : undefined;
}

export const whyNoPython =
  "there is no Python with the providers' clients here; scripts/test sets them up where it can";

/** Runs a Python program to its end; returns what it printed. @throws with its errors when it fails. */
export async function runPython(python: string, program: string, args: readonly string[]): Promise<string> {
  const child = spawn(python, [program, ...args], { env: environment, stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const code = await new Promise((resolve) => child.on("close", resolve));
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${stderr}`);
  return stdout;
}
