import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { givenProject } from "../support/cli.ts";
import { pythonWith, runPython, whyNoPython } from "../support/python.ts";
import { withRedis } from "../support/redis-server.ts";
import { givenServer } from "../support/serve.ts";

const redis = withRedis();
const program = fileURLToPath(new URL("./python-sdk.py", import.meta.url));
const cli = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));
/** Both models on tier `lab`. */
const models = { small: { tier: "lab", model: "simulated-model" }, twin: { tier: "lab", model: "other-model" } };

test("the MCP client for Python lists and calls each tool over streamable HTTP", async ({ skip }) => {
  const python = pythonWith("mcp");
  if (python === undefined) return skip(whyNoPython);
  const { url } = await givenServer(redis, { config: { models } });
  expect(await runPython(python, program, ["http", `${url}/mcp`])).toBe("all well\n");
});

test("the MCP client for Python lists and calls each tool over stdio", async ({ skip }) => {
  const python = pythonWith("mcp");
  if (python === undefined) return skip(whyNoPython);
  const project = await givenProject({ config: { models } });
  const given = ["--config", project.path("models.json"), "--data-dir", project.dataDirectory];
  const command = [project.folder, process.execPath, cli, "mcp", ...given];
  expect(await runPython(python, program, ["stdio", ...command])).toBe("all well\n");
});
