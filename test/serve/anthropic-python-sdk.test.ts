import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { givenBackend } from "../support/given-backend.ts";
import { pythonWith, runPython, whyNoPython } from "../support/python.ts";
import { withRedis } from "../support/redis-server.ts";
import { givenServer } from "../support/serve.ts";

const redis = withRedis();
const program = fileURLToPath(new URL("./anthropic-python-sdk.py", import.meta.url));

test("Anthropic's Python SDK creates, polls, reads results, lists, cancels and deletes", async ({ skip }) => {
  const python = pythonWith("anthropic");
  if (python === undefined) return skip(whyNoPython);
  const cloud = await givenBackend();
  const { url } = await givenServer(redis, {
    backend: { fault: ({ key }) => (key.startsWith("slow") ? { kind: "stall" } : undefined) },
    config: {
      tiers: { claude: { provider: "anthropic", baseUrl: cloud.baseUrl, location: "local" } },
      models: { haiku: { tier: "claude", model: "claude-haiku-5-5" } },
    },
  });
  const ended = { processing: 0, succeeded: 0, errored: 0, canceled: 0, expired: 0 };
  expect(JSON.parse(await runPython(python, program, [url]))).toMatchObject({
    created: "in_progress",
    counts: { ...ended, succeeded: 2, errored: 1 },
    results: [
      { custom_id: "r0", result: { type: "succeeded", message: { content: [{ text: "answer to r0" }] } } },
      { custom_id: "r1", result: { type: "succeeded", message: { model: "claude-haiku-5-5" } } },
      { custom_id: "lost", result: { type: "errored", error: { error: { type: "invalid_request_error" } } } },
    ],
    before_the_end: [["BadRequestError", 400, "invalid_request_error"], ["AnthropicError"]],
    cancel_initiated: true,
    slow_counts: { ...ended, canceled: 20 },
    endings: ["canceled"],
    listed: true,
    models: ["small", "haiku", "simulated-model", "claude-haiku-5-5"],
    deleted: ["message_batch_deleted", "message_batch_deleted"],
    gone: ["NotFoundError", 404, "not_found_error"],
    empty: ["BadRequestError", 400, "invalid_request_error"],
    twice: ["BadRequestError", 400, "invalid_request_error"],
  });
});
