import { expect, test } from "vitest";
import { withRedis } from "../support/redis-server.ts";
import { batchLines, givenBatchOf, givenServer, linesOfFile, untilEnded, uploadLines } from "../support/serve.ts";

const redis = withRedis();

test("OpenAI's Node SDK uploads, orders, polls, reads results, lists, cancels and deletes", async () => {
  const { client, backend } = await givenServer(redis);
  const lines = `${batchLines(20)}this is no JSON\n`;
  const fileId = await uploadLines(client, lines);
  expect(await client.files.retrieve(fileId)).toMatchObject({ object: "file", bytes: lines.length, purpose: "batch" });
  expect(await (await client.files.content(fileId)).text()).toBe(lines);

  const created = await client.batches.create({
    input_file_id: fileId,
    endpoint: "/v1/chat/completions",
    completion_window: "24h",
    metadata: { project: "demo" },
  });
  expect(created).toMatchObject({ object: "batch", status: "validating", input_file_id: fileId });

  const ended = await untilEnded(client, created.id);
  expect(ended).toMatchObject({
    status: "completed",
    metadata: { project: "demo" },
    errors: null,
    request_counts: { total: 21, completed: 20, failed: 1 },
  });
  expect(ended.completed_at).toBeGreaterThanOrEqual(ended.in_progress_at!);
  expect(ended.finalizing_at).toBeGreaterThanOrEqual(ended.in_progress_at!);
  expect(ended.usage!.total_tokens).toBeGreaterThan(0);

  const output = await linesOfFile(client, ended.output_file_id);
  expect(output.map((line) => line.custom_id)).toEqual(Array.from({ length: 20 }, (_, row) => `r${row}`));
  expect(output[0]).toMatchObject({ response: { status_code: 200, body: { object: "chat.completion" } }, error: null });
  const errors = await linesOfFile(client, ended.error_file_id);
  expect(errors).toMatchObject([
    { custom_id: "21", response: { status_code: 400, body: { error: { code: "invalid_row" } } } },
  ]);
  expect(backend.requests()).toBe(20);

  const second = await givenBatchOf(client, batchLines(1));
  const listed: string[] = [];
  for await (const batch of client.batches.list({ limit: 1 })) listed.push(batch.id);
  expect(listed).toEqual([second.id, created.id]);
  await untilEnded(client, second.id);

  backend.setBehaviour({ latencyMs: 60_000 });
  const slow = await givenBatchOf(client, batchLines(3, "slow"));
  expect(["cancelling", "cancelled"]).toContain((await client.batches.cancel(slow.id)).status);
  const cancelled = await untilEnded(client, slow.id);
  expect(cancelled.status).toBe("cancelled");

  expect(await client.files.delete(fileId)).toEqual({ id: fileId, object: "file", deleted: true });
  await expect(client.files.retrieve(fileId)).rejects.toMatchObject({ status: 404, code: "file_not_found" });
});
