import { once } from "node:events";
import { readdirSync } from "node:fs";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { withRedis } from "../support/redis-server.ts";
import { type GivenServer, givenServer } from "../support/serve.ts";
import { until } from "../support/until.ts";

const redis = withRedis();
const params = { model: "small", max_tokens: 9, messages: [{ role: "user", content: "#secret-words" }] };
const one = { custom_id: "a", params };

let server: Promise<GivenServer> | undefined;
const given = () =>
  (server ??= givenServer(redis, { config: { serve: { limits: { maxBodyBytes: 5_000, maxRowsPerBatch: 5 } } } }));

async function post(
  body: string | Uint8Array,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Record<string, unknown> }> {
  const { url } = await given();
  const response = await fetch(`${url}/v1/messages/batches`, { method: "POST", body, headers });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const batchesLeft = async () => readdirSync(join((await given()).dataDirectory, "serve", "batches"));

describe("the body of a new message batch", () => {
  it.each<[string, unknown, RegExp]>([
    ["no requests", { requests: [] }, /requests: expected at least one request, found an empty list/],
    ["no list", { requests: {} }, /the body: requests: expected a list, found none/],
    ["something else", [], /the body: expected one JSON object/],
    [
      "a request that is no object",
      { requests: [one, "x"] },
      /requests\.1: expected an object with .*, found a string/,
    ],
    ["no custom_id", { requests: [{ params }] }, /requests\.0\.custom_id: expected 1 to 64 letters.*, found nothing/],
    ["a custom_id of other characters", { requests: [{ ...one, custom_id: "<b>" }] }, /custom_id: .*found "<b>"/],
    [
      "a custom_id that is too long",
      { requests: [{ ...one, custom_id: "x".repeat(65) }] },
      /custom_id: expected 1 to 64/,
    ],
    [
      "params that are no object",
      { requests: [{ ...one, params: ["x"] }] },
      /requests\.0\.params: expected an object, found a list/,
    ],
    [
      "a custom_id twice",
      { requests: [one, { ...one, custom_id: "b" }, one] },
      /requests\.2\.custom_id: expected an id that no other request has, found "a" again/,
    ],
    [
      "more requests than the server takes",
      { requests: Array.from({ length: 6 }, (_, at) => ({ ...one, custom_id: `r${at}` })) },
      /requests: expected at most 5/,
    ],
  ])("with %s is refused in Anthropic's words, and leaves nothing behind", async (_what, body, message) => {
    const before = await batchesLeft();
    const answer = await post(JSON.stringify(body));
    expect(answer).toMatchObject({ status: 400, body: { type: "error", error: { type: "invalid_request_error" } } });
    const { error } = answer.body as { error: { message: string } };
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain("secret");
    expect(await batchesLeft()).toEqual(before);
  });

  it("that is no JSON, or no UTF-8, is refused", async () => {
    expect(await post('{"requests":[{"custom_id":"a",}]}')).toMatchObject({ status: 400 });
    expect(await post("")).toMatchObject({ status: 400 });
    const bytes = Buffer.from(JSON.stringify({ requests: [one] }));
    bytes[bytes.indexOf("secret")] = 0xff;
    expect(await post(bytes)).toMatchObject({
      status: 400,
      body: { error: { message: "requests.0: expected text in UTF-8" } },
    });
  });

  it("that is too large is refused, whether its length is told or not", async () => {
    const body = JSON.stringify({ requests: [{ ...one, params: { ...params, system: "x".repeat(9_000) } }] });
    expect(await post(body)).toMatchObject({ status: 413, body: { error: { type: "request_too_large" } } });
    const { url } = await given();
    const stream = new Blob([body]).stream();
    const untold = await fetch(`${url}/v1/messages/batches`, { method: "POST", body: stream, duplex: "half" });
    expect(untold.status).toBe(413);
  });

  it("that is wrong at its beginning is refused before its end has come", async () => {
    const { url } = await given();
    const headers = { "content-length": 4_000 };
    const sending = httpRequest(`${url}/v1/messages/batches`, { method: "POST", headers });
    sending.on("error", () => {});
    sending.write('{"requests":["x",');
    const [response] = (await once(sending, "response")) as [IncomingMessage];
    expect(response.statusCode).toBe(400);
    sending.destroy();
  });

  it("that is wrong at its beginning is taken to its end from who reads no answer before", async () => {
    const { url } = await givenServer(redis);
    const body = `{"requests":["x",${JSON.stringify("y".repeat(20_000_000))}]}`;
    const socket = connect(Number(new URL(url).port), "127.0.0.1").pause();
    const head = `POST /v1/messages/batches HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n`;
    const trouble = await new Promise((resolve) => {
      socket.once("error", resolve);
      socket.write(head + body, resolve);
    });
    expect(trouble ?? "none").toBe("none");
    const [answer] = (await once(socket.resume(), "data")) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 400 /);
    socket.destroy();
  });

  it("that is cut off in the middle leaves nothing behind", async () => {
    const { url } = await given();
    const before = await batchesLeft();
    const text = JSON.stringify({ requests: [one, { ...one, custom_id: "b" }] });
    const sending = httpRequest(`${url}/v1/messages/batches`, {
      method: "POST",
      headers: { "content-length": text.length },
    });
    sending.on("error", () => {});
    sending.write(text.slice(0, -10));
    await until("the server to be at it", async () => (await batchesLeft()).length > before.length);
    sending.destroy();
    await until("it to be gone", async () => (await batchesLeft()).length === before.length);
  });

  it("may be written over several lines: its texts reach the backend as they are", async () => {
    const { backend, context } = await given();
    const asked: unknown[] = [];
    backend.setBehaviour({
      answer({ body }) {
        asked.push(body.messages);
        return "ok";
      },
    });
    const content = 'two\nlines, "quoted", 汉字 🐈  \\ ';
    const pretty = JSON.stringify(
      { requests: [{ ...one, params: { ...params, messages: [{ role: "user", content }] } }] },
      null,
      2,
    );
    const { status, body } = await post(pretty.replaceAll("\n", "\r\n"));
    expect(status).toBe(200);
    await until("its end", () => context.batches.get(String(body.id))?.status === "completed");
    expect(asked).toEqual([[{ role: "user", content }]]);
  });
});

describe("where the results are", () => {
  it("is told as a whole URL, or as a path behind a proxy that knows the rest", async () => {
    const { url } = await given();
    const { body } = await post(JSON.stringify({ requests: [one] }));
    const look = async (headers: Record<string, string>) => {
      const response = await fetch(`${url}/v1/messages/batches/${body.id}`, { headers });
      return ((await response.json()) as { results_url: string | null }).results_url;
    };
    await until("its end", async () => (await look({})) !== null);
    expect(await look({})).toBe(`${url}/v1/messages/batches/${body.id}/results`);
    expect(await look({ "x-forwarded-for": "10.0.0.9" })).toBe(`/v1/messages/batches/${body.id}/results`);
    const results = await fetch((await look({}))!);
    expect(results.headers.get("content-type")).toContain("application/x-jsonl");
    expect(JSON.parse(await results.text())).toMatchObject({ custom_id: "a", result: { type: "succeeded" } });
  });

  it("is nowhere for an id that nobody has, or that is a path", async () => {
    const { url } = await given();
    for (const id of ["msgbatch_0", `msgbatch_${"0".repeat(32)}`, "..%2f..%2fetc", "%2e%2e"]) {
      for (const [method, rest] of [
        ["GET", ""],
        ["GET", "/results"],
        ["POST", "/cancel"],
        ["DELETE", ""],
      ] as const) {
        const response = await fetch(`${url}/v1/messages/batches/${id}${rest}`, { method });
        expect(response.status, `${method} ${id}${rest}`).toBe(404);
        expect(await response.json()).toMatchObject({ type: "error", error: { type: "not_found_error" } });
      }
    }
  });
});
