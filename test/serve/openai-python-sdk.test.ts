import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { pythonWith, runPython, whyNoPython } from "../support/python.ts";
import { withRedis } from "../support/redis-server.ts";
import { givenServer } from "../support/serve.ts";

const redis = withRedis();
const program = fileURLToPath(new URL("./openai-python-sdk.py", import.meta.url));

test("OpenAI's Python SDK uploads, orders, polls, reads results, lists, cancels and deletes", async ({ skip }) => {
  const python = pythonWith("openai");
  if (python === undefined) return skip(whyNoPython);
  const { url, backend } = await givenServer(redis, {
    backend: { fault: ({ key }) => (key.includes("slow") ? { kind: "stall" } : undefined) },
  });
  expect(await runPython(python, program, [url])).toBe("all well\n");
  expect(backend.requests()).toBeGreaterThanOrEqual(20);
});
