import { createHash } from "node:crypto";
import OpenAI, { toFile } from "openai";
import { describe, expect, it } from "vitest";
import type { BatchRecord } from "../../src/serve/batch-record.ts";
import type { Batches } from "../../src/serve/batches.ts";
import { batchesFor } from "../../src/serve/ownership.ts";
import { withRedis } from "../support/redis-server.ts";
import { batchLines, givenBatchOf, givenServer, untilEnded, uploadLines } from "../support/serve.ts";
import { tokens, tokensOfConfig } from "./given-guarded.ts";

const redis = withRedis();
const otherToken = "of another job";
const other = {
  sha256: createHash("sha256").update(otherToken).digest("hex"),
  role: "submit" as const,
  name: "another",
};

/** A server with the tokens of an admin, a viewer and two jobs, each with an OpenAI client of its own. */
async function givenTeam() {
  const { url } = await givenServer(redis, { config: { serve: { tokens: [...tokensOfConfig, other] } } });
  const clientOf = (apiKey: string) => new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
  return {
    url,
    admin: clientOf(tokens.admin),
    viewer: clientOf(tokens.read),
    job: clientOf(tokens.submit),
    otherJob: clientOf(otherToken),
  };
}

const forbidden = { status: 403 };

describe("what a token has sent", () => {
  it("is read by it and by an admin, and by nobody else; that it is there everybody sees", async () => {
    const { url, admin, viewer, job, otherJob } = await givenTeam();
    const batch = await untilEnded(job, (await givenBatchOf(job, batchLines(2))).id);
    for (const client of [job, admin]) {
      expect(await (await client.files.content(batch.output_file_id!)).text()).toContain('"custom_id":"r1"');
      expect(await (await client.files.content(batch.input_file_id)).text()).toContain("say something");
    }
    for (const client of [viewer, otherJob]) {
      await expect(client.files.content(batch.output_file_id!)).rejects.toMatchObject(forbidden);
      await expect(client.files.content(batch.input_file_id)).rejects.toMatchObject(forbidden);
      expect((await client.batches.retrieve(batch.id)).request_counts).toMatchObject({ completed: 2 });
      const results = await fetch(`${url}/v1/batches/${batch.id}/results`, {
        headers: { "x-api-key": client.apiKey! },
      });
      expect([results.status, await results.text()]).toEqual([403, expect.not.stringContaining("say something")]);
    }
  });

  it("is not cancelled, deleted or asked by another", async () => {
    const { admin, viewer, job, otherJob } = await givenTeam();
    const fileId = await uploadLines(job, batchLines(1));
    const { id } = await givenBatchOf(job, batchLines(2_000));
    for (const client of [viewer, otherJob]) {
      await expect(client.batches.cancel(id)).rejects.toMatchObject(forbidden);
      await expect(client.files.delete(fileId)).rejects.toMatchObject(forbidden);
      const order = { input_file_id: fileId, endpoint: "/v1/chat/completions", completion_window: "24h" } as const;
      await expect(client.batches.create(order)).rejects.toMatchObject(forbidden);
    }
    await job.batches.cancel(id);
    expect((await admin.files.delete(fileId)).deleted).toBe(true);
  });

  it("is not read or cancelled by another in the name of whom a tool asks", async () => {
    const ended: string[] = [];
    const batches = {
      get: (id: string) => ({ id, owner: "a submit" }) as BatchRecord,
      async cancel(id: string) {
        ended.push(id);
        return batches.get(id);
      },
      async *results() {},
    } as unknown as Batches;
    const ofAnother = batchesFor({ name: "another", role: "submit" }, batches);
    expect(() => ofAnother.results("batch_1")).toThrow("batch batch_1 came with another token");
    await expect(ofAnother.cancel("batch_1")).rejects.toThrow("came with another token");
    await batchesFor({ name: "a submit", role: "submit" }, batches).cancel("batch_2");
    await batchesFor({ name: "owner", role: "admin" }, batches).cancel("batch_3");
    expect(ended).toEqual(["batch_2", "batch_3"]);
  });

  it("is nothing for a viewer, who may only look", async () => {
    const { viewer } = await givenTeam();
    const upload = viewer.files.create({ file: await toFile(Buffer.from("x"), "x"), purpose: "batch" });
    await expect(upload).rejects.toMatchObject({
      status: 403,
      message: expect.stringContaining("needs a token with the role submit"),
    });
    const call = viewer.chat.completions.create({ model: "small", messages: [{ role: "user", content: "Hello" }] });
    await expect(call).rejects.toMatchObject(forbidden);
    expect((await viewer.files.list()).data).toEqual([]);
  });
});
