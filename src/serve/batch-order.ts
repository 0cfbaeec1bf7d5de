import type { Config } from "../config/config.ts";
import { readConsensusText } from "../config/consensus-rule.ts";
import { suggestName } from "../config/nearest.ts";
import { durationMsOf } from "../job/duration.ts";
import { chatEndpoint, otherEndpoints } from "../job/endpoints.ts";
import { createRuleCheck } from "../routing/consensus-rule.ts";
import type { BatchOrder } from "./batches.ts";
import { HttpError } from "./http-error.ts";
import { checkWebhookUrl } from "./webhooks.ts";

type Body = Readonly<Record<string, unknown>>;

/** What the lines of a batch may ask for. */
const batchEndpoints: readonly string[] = [chatEndpoint, ...otherEndpoints];
const mostPairs = 16;
const longestKey = 64;
const longestValue = 512;
export const mostWeight = 1_000;

/** What `POST /v1/batches` orders. @throws HttpError that names the field. */
export function readBatchOrder(body: Body, config: Config): BatchOrder {
  const fileId = body.input_file_id;
  if (typeof fileId !== "string") throw wrong("input_file_id", "the id of an uploaded file", fileId);
  const { endpoint } = body;
  if (typeof endpoint !== "string" || !batchEndpoints.includes(endpoint)) {
    throw wrong("endpoint", `one of ${batchEndpoints.join(", ")}`, endpoint);
  }
  const window = body.completion_window;
  if (typeof window !== "string" || !((durationMsOf(window) ?? 0) > 0)) {
    throw wrong("completion_window", "a duration such as 90m, 24h or 7d", window);
  }
  const metadata = readMetadata(body.metadata, config);
  if (metadata.consensus !== undefined && endpoint === "/v1/embeddings") {
    throw wrong("metadata.consensus", "an endpoint with answers to agree on beside it", endpoint);
  }
  const { weight } = body;
  return {
    api: "openai",
    input: { fileId },
    endpoint,
    completionWindow: window,
    metadata,
    ...(weight === undefined ? {} : { weight: readWeight(weight) }),
  };
}

export function readWeight(weight: unknown): number {
  if (typeof weight === "number" && weight > 0 && weight <= mostWeight) return weight;
  throw wrong("weight", `a number above 0, at most ${mostWeight}`, weight);
}

/** Texts by name, as OpenAI bounds them; `private`, `task` and `consensus` hold for all lines of the batch. */
export function readMetadata(given: unknown, config: Config): Readonly<Record<string, string>> {
  if (given === undefined || given === null) return {};
  if (typeof given !== "object" || Array.isArray(given)) throw wrong("metadata", "an object of texts", given);
  const pairs = Object.entries(given as Record<string, unknown>);
  if (pairs.length > mostPairs) throw wrong("metadata", `at most ${mostPairs} pairs`, pairs.length);
  for (const [name, value] of pairs) {
    if (name.length > longestKey || typeof value !== "string" || value.length > longestValue) {
      const expected = `texts of at most ${longestValue} characters under names of at most ${longestKey}`;
      throw new HttpError(400, `metadata: expected ${expected}`, { param: "metadata" });
    }
  }
  const metadata = Object.fromEntries(pairs) as Record<string, string>;
  const { private: isPrivate, task, consensus, webhook_url: webhookUrl } = metadata;
  if (isPrivate !== undefined && isPrivate !== "true" && isPrivate !== "false") {
    throw wrong("metadata.private", '"true" or "false"', isPrivate);
  }
  if (task !== undefined && !Object.hasOwn(config.tasks, task)) {
    const known = suggestName(task.slice(0, 100), Object.keys(config.tasks));
    throw new HttpError(400, `metadata.task: unknown task ${JSON.stringify(task.slice(0, 100))}: ${known}`, {
      param: "metadata.task",
    });
  }
  if (consensus !== undefined) checkConsensus(consensus, config);
  if (webhookUrl !== undefined) checkWebhookUrl(webhookUrl, config);
  return metadata;
}

function checkConsensus(text: string, config: Config): void {
  const rule = readConsensusText(text);
  const wrongRule = typeof rule === "string" ? rule : createRuleCheck(config)(rule);
  if (wrongRule !== undefined) throw new HttpError(400, `metadata.${wrongRule}`, { param: "metadata.consensus" });
}

function wrong(param: string, expected: string, found: unknown): HttpError {
  const shown = found === undefined ? "nothing" : (JSON.stringify(found) ?? "something else").slice(0, 100);
  return new HttpError(400, `${param}: expected ${expected}, found ${shown}`, { param });
}
