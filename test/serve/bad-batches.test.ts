import { beforeAll, describe, expect, it } from "vitest";
import { withRedis } from "../support/redis-server.ts";
import {
  batchLines,
  type GivenServer,
  givenBatchOf,
  givenServer,
  linesOfFile,
  untilEnded,
  uploadLines,
} from "../support/serve.ts";

const redis = withRedis();
let server: GivenServer;
beforeAll(async () => {
  server = await givenServer(redis);
});

async function refusalOf(method: string, path: string, body?: unknown) {
  const response = await fetch(`${server.url}${path}`, {
    method,
    ...(body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  });
  const { error } = (await response.json()) as {
    error: { message: string; param: string | null; code: string | null };
  };
  return { status: response.status, ...error };
}

const unknownFile = `file-${"0".repeat(32)}`;
const unknownBatch = `batch_${"0".repeat(32)}`;

describe("an order of a batch", () => {
  const good = { endpoint: "/v1/chat/completions", completion_window: "24h" };

  it.each([
    ["names no file", { input_file_id: undefined }, 400, "input_file_id"],
    ["names an unknown file", { input_file_id: unknownFile }, 404, "input_file_id"],
    ["names a path as its file", { input_file_id: "../../../etc/passwd" }, 404, "input_file_id"],
    ["names an unknown endpoint", { input_file_id: unknownFile, endpoint: "/v1/moderations" }, 400, "endpoint"],
    [
      "has no duration as its window",
      { input_file_id: unknownFile, completion_window: "soon" },
      400,
      "completion_window",
    ],
    ["has a window of nothing", { input_file_id: unknownFile, completion_window: "0h" }, 400, "completion_window"],
    ["has metadata that is no text", { input_file_id: unknownFile, metadata: { a: 1 } }, 400, "metadata"],
    [
      "has more than 16 pairs of metadata",
      {
        input_file_id: unknownFile,
        metadata: Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`k${n}`, "v"])),
      },
      400,
      "metadata",
    ],
    ["names an unknown task", { input_file_id: unknownFile, metadata: { task: "simpel" } }, 400, "metadata.task"],
    [
      "is private in a wrong word",
      { input_file_id: unknownFile, metadata: { private: "yes" } },
      400,
      "metadata.private",
    ],
    ["brings a consensus that is no JSON", { metadata: { consensus: "0.66" } }, 400, "metadata.consensus"],
    ["brings a consensus of one model", { metadata: { consensus: '{"models":["small"]}' } }, 400, "metadata.consensus"],
    [
      "brings a consensus of an unknown model",
      { metadata: { consensus: '{"models":["small","smal"]}' } },
      400,
      "metadata.consensus",
    ],
    [
      "wants embeddings to agree",
      { endpoint: "/v1/embeddings", metadata: { consensus: '{"models":["small","lab/other"]}' } },
      400,
      "metadata.consensus",
    ],
    ["has a negative weight", { input_file_id: unknownFile, weight: -1 }, 400, "weight"],
  ])("that %s is refused with the field", async (_what, more, status, param) => {
    expect(await refusalOf("POST", "/v1/batches", { ...good, input_file_id: unknownFile, ...more })).toMatchObject({
      status,
      param,
    });
  });

  it("of a file with another purpose is refused", async () => {
    const { id } = await server.client.files.create({ file: new File(["x"], "notes.txt"), purpose: "user_data" });
    const refusal = await refusalOf("POST", "/v1/batches", { ...good, input_file_id: id });
    expect(refusal).toMatchObject({ status: 400, param: "input_file_id" });
    expect(refusal.message).toContain("user_data");
  });

  it("that is no JSON is refused without a stack", async () => {
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${server.url}/v1/batches`, { method: "POST", headers, body: "{" });
    expect(response.status).toBe(400);
    const text = await response.text();
    expect(text).toContain("the body is not JSON: ");
    expect(text).not.toContain("node_modules");
  });

  it("that comes without a content type is told so", async () => {
    const body = new Blob([JSON.stringify({ ...good, input_file_id: unknownFile })]);
    const response = await fetch(`${server.url}/v1/batches`, { method: "POST", body });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain("with content-type application/json");
  });
});

it("a path that cannot be decoded is the client's mistake", async () => {
  const refusal = await refusalOf("GET", "/v1/files/%E0%A4%A");
  expect(refusal).toMatchObject({ status: 400, message: expect.stringContaining("%E0%A4%A") });
});

describe("a file that is no batch", () => {
  it.each([
    ["has no lines", "\n\n", "empty_file", null],
    ["has no line that is JSON", "a,b\n1,2\n", "invalid_json_line", 1],
    ["uses a custom_id twice", `${batchLines(2)}${batchLines(1)}`, "duplicate_custom_id", 3],
    [
      "mixes endpoints",
      batchLines(1) + batchLines(1, "e").replace("/v1/chat/completions", "/v1/embeddings"),
      "url_mismatch",
      2,
    ],
  ])("as it %s fails as a whole, and nothing is asked", async (_what, lines, code, line) => {
    const before = server.backend.requests();
    const { id } = await givenBatchOf(server.client, lines);
    const failed = await untilEnded(server.client, id);
    expect(failed).toMatchObject({ status: "failed", output_file_id: null, error_file_id: null });
    expect(failed.failed_at).toBeGreaterThan(0);
    expect(failed.errors!.data![0]).toMatchObject({ code, line });
    expect(server.backend.requests()).toBe(before);
  });
});

describe("a bad line among good ones", () => {
  it("fails alone, in the error file, and each row is in exactly one of the two files", async () => {
    const broken = [
      "{ this is no JSON",
      JSON.stringify({ custom_id: "no-body", method: "POST", url: "/v1/chat/completions" }),
      batchLines(1, "unknown-model", "smol").trimEnd(),
    ];
    const { id } = await givenBatchOf(server.client, `${batchLines(3)}${broken.join("\n")}\n${batchLines(2, "z")}`);
    const ended = await untilEnded(server.client, id);
    expect(ended).toMatchObject({ status: "completed", request_counts: { total: 8, completed: 5, failed: 3 } });
    const output = await linesOfFile(server.client, ended.output_file_id);
    expect(output.map((line) => line.custom_id)).toEqual(["r0", "r1", "r2", "z0", "z1"]);
    const errors = await linesOfFile(server.client, ended.error_file_id);
    expect(errors.map((line) => line.custom_id)).toEqual(["4", "no-body", "unknown-model0"]);
    expect(JSON.stringify(errors[2])).toContain('did you mean \\"small\\"');
  });

  it("that the model's server refuses has that refusal as its response", async () => {
    server.backend.setBehaviour({ fault: ({ key }) => (key === "bad0" ? { kind: "status", status: 400 } : undefined) });
    const { id } = await givenBatchOf(server.client, `${batchLines(1, "good")}${batchLines(1, "bad")}`);
    const { error_file_id: errorFileId } = await untilEnded(server.client, id);
    server.backend.setBehaviour({ fault: undefined });
    expect(await linesOfFile(server.client, errorFileId)).toMatchObject([
      { custom_id: "bad0", response: { status_code: 400, body: { error: { code: "rejected" } } }, error: null },
    ]);
  });
});

describe("an id or a cursor that does not exist", () => {
  it.each([
    ["GET", `/v1/files/${unknownFile}`, 404],
    ["GET", `/v1/files/${unknownFile}/content`, 404],
    ["DELETE", `/v1/files/${unknownFile}`, 404],
    ["GET", "/v1/files/..%2f..%2fBATCH.json/content", 404],
    ["GET", `/v1/batches/${unknownBatch}`, 404],
    ["GET", "/v1/batches/..%2ffiles", 404],
    ["POST", `/v1/batches/${unknownBatch}/cancel`, 404],
    ["POST", `/v1/batches/${unknownBatch}/pause`, 404],
    ["GET", `/v1/batches/${unknownBatch}/results`, 404],
    ["GET", `/v1/batches?after=${unknownBatch}`, 400],
    ["GET", "/v1/batches?limit=0", 400],
    ["GET", "/v1/batches?limit=-5", 400],
    ["GET", "/v1/batches?limit=101", 400],
    ["GET", "/v1/batches?limit=ten", 400],
    ["GET", "/v1/batches?limit=1&limit=2", 400],
    ["GET", `/v1/files?after=${unknownFile}`, 400],
    ["GET", "/v1/models/none", 404],
  ])("%s %s is refused with %i", async (method, path, status) => {
    const refusal = await refusalOf(method, path);
    expect(refusal.status).toBe(status);
    expect(refusal.message).not.toBe("");
  });
});

describe("what comes too late or too early", () => {
  it("cancelling twice is no error, cancelling what has ended is", async () => {
    server.backend.setBehaviour({ latencyMs: 60_000 });
    const { id } = await givenBatchOf(server.client, batchLines(3, "slow"));
    await server.client.batches.cancel(id);
    await server.client.batches.cancel(id);
    const cancelled = await untilEnded(server.client, id);
    server.backend.setBehaviour({ latencyMs: 0 });
    expect(cancelled.status).toBe("cancelled");
    expect((await server.client.batches.cancel(id)).status).toBe("cancelled");

    const whole = await givenBatchOf(server.client, batchLines(1));
    await untilEnded(server.client, whole.id);
    await expect(server.client.batches.cancel(whole.id)).rejects.toMatchObject({ status: 409, code: "batch_ended" });
    await expect(server.client.post(`/batches/${whole.id}/pause`)).rejects.toMatchObject({ status: 409 });
  });

  it("a file is not deleted while a batch reads it", async () => {
    server.backend.setBehaviour({ latencyMs: 60_000 });
    const fileId = await uploadLines(server.client, batchLines(1, "read"));
    const { id } = await server.client.batches.create({
      input_file_id: fileId,
      endpoint: "/v1/chat/completions",
      completion_window: "24h",
    });
    await expect(server.client.files.delete(fileId)).rejects.toMatchObject({ status: 409, code: "file_in_use" });
    await server.client.batches.cancel(id);
    await untilEnded(server.client, id);
    server.backend.setBehaviour({ latencyMs: 0 });
    expect((await server.client.files.delete(fileId)).deleted).toBe(true);
  });
});
