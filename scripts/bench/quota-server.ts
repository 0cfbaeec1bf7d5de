/**
 * A SIMULATED provider with quotas: for each model a token bucket that holds two seconds of its limit, and 429s beyond.
 * No model answers; it counts what it is asked as its provider would.
 *   node scripts/bench/quota-server.ts '{"fast":{"unit":"requests","perMinute":3000,"charges":"request"}}'
 */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { seededRandom } from "../../test/support/simulated-answers.ts";

export interface ModelQuota {
  readonly unit: "requests" | "tokens";
  readonly perMinute: number;
  /** `most`: input and the output that it allows, with the request (OpenAI). `real`: input with the request, output when
   * it is written (Anthropic). */
  readonly charges: "most" | "real";
}

export interface QuotaStats {
  /** What was let in, by model: when (ms of `Date.now`) and what it was charged. */
  readonly charged: Record<string, readonly (readonly [atMs: number, cost: number])[]>;
  /** Calls that were let in: more than one charge may belong to each. */
  readonly letIn: Record<string, number>;
  readonly throttled: Record<string, number>;
}

const depthSeconds = 2;
const medianLatencyMs = 300;
const bytesPerToken = 4.4;

interface Bucket {
  level: number;
  atMs: number;
}

if (import.meta.main) {
  const quotas = JSON.parse(process.argv[2] ?? "{}") as Record<string, ModelQuota>;
  const buckets = new Map<string, Bucket>();
  const stats = {
    charged: {} as Record<string, [number, number][]>,
    letIn: {} as Record<string, number>,
    throttled: {} as Record<string, number>,
  };
  const random = seededRandom(7);

  function bucketOf(model: string, { perMinute }: ModelQuota): Bucket {
    const depth = (perMinute / 60) * depthSeconds;
    const nowMs = performance.now();
    const bucket = buckets.get(model) ?? { level: depth, atMs: nowMs };
    bucket.level = Math.min(depth, bucket.level + ((nowMs - bucket.atMs) * perMinute) / 60_000);
    bucket.atMs = nowMs;
    buckets.set(model, bucket);
    return bucket;
  }

  function charge(model: string, bucket: Bucket, cost: number): void {
    bucket.level -= cost;
    stats.charged[model] ??= [];
    stats.charged[model].push([Date.now(), cost]);
  }

  function answer(text: string, response: ServerResponse): void {
    const body = JSON.parse(text) as { model: string; max_tokens: number; messages: { content: string }[] };
    const quota = quotas[body.model];
    if (quota === undefined) throw new Error(`no model ${body.model}`);
    const bucket = bucketOf(body.model, quota);
    const input = Math.ceil(Buffer.byteLength(body.messages.map(({ content }) => content).join("")) / bytesPerToken);
    const output = Math.min(body.max_tokens, Math.ceil(20 + 180 * random() ** 2));
    const cost = quota.unit === "requests" ? 1 : input + (quota.charges === "most" ? body.max_tokens : 0);
    const headers = (): Record<string, string> => ({
      [`x-ratelimit-limit-${quota.unit}`]: String(quota.perMinute),
      [`x-ratelimit-remaining-${quota.unit}`]: String(Math.max(0, Math.floor(bucketOf(body.model, quota).level))),
    });
    if (bucket.level < cost) {
      stats.throttled[body.model] = (stats.throttled[body.model] ?? 0) + 1;
      const retryAfterMs = Math.ceil(((cost - bucket.level) * 60_000) / quota.perMinute);
      const message = "simulated rate limit";
      sendJson(response, 429, { error: { message } }, { ...headers(), "retry-after-ms": String(retryAfterMs) });
      return;
    }
    charge(body.model, bucket, cost);
    stats.letIn[body.model] = (stats.letIn[body.model] ?? 0) + 1;
    const latencyMs = medianLatencyMs * Math.exp(0.4 * (random() + random() + random() - 1.5) * 2);
    setTimeout(() => {
      if (quota.unit === "tokens" && quota.charges === "real") charge(body.model, bucketOf(body.model, quota), output);
      const usage = { prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
      const choices = [{ index: 0, message: { role: "assistant", content: "done" }, finish_reason: "stop" }];
      sendJson(response, 200, { id: "c", object: "chat.completion", model: body.model, choices, usage }, headers());
    }, latencyMs);
  }

  const server = createServer({ keepAliveTimeout: 60_000, noDelay: true }, (incoming, response) => {
    let text = "";
    incoming.setEncoding("utf8");
    incoming.on("data", (chunk: string) => {
      text += chunk;
    });
    incoming.on("end", () => {
      if (incoming.url === "/v1/chat/completions") answer(text, response);
      else if (incoming.url === "/v1/models")
        sendJson(response, 200, { data: Object.keys(quotas).map((id) => ({ id })) });
      else if (incoming.url === "/simulated/stats") sendJson(response, 200, stats);
      else sendJson(response, 200, {});
    });
  });
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo;
    console.log(JSON.stringify({ baseUrl: `http://127.0.0.1:${port}/v1` }));
  });
}

function sendJson(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}
