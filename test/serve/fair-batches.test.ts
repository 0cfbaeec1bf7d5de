import { expect, test } from "vitest";
import { withRedis } from "../support/redis-server.ts";
import { batchLines, type GivenServer, givenBatchOf, givenServer, untilEnded } from "../support/serve.ts";
import { until } from "../support/until.ts";

const redis = withRedis();
/** A window holds a second of the tier's work, here 80 rows: what lies in line before the others come. */
const rows = 160;
const alreadyInLine = 100;

/** The batches, by the first letter of their rows, in the order in which the backend was asked. */
async function givenWatchedServer(): Promise<{ server: GivenServer; asked: string[] }> {
  const asked: string[] = [];
  const server = await givenServer(redis, {
    concurrency: 4,
    backend: {
      latencyMs: 50,
      answer({ key }) {
        asked.push(key[0]!);
        return "an answer";
      },
    },
  });
  return { server, asked };
}

const shareOf = (prefix: string, asked: readonly string[]) =>
  asked.filter((one) => one === prefix).length / asked.length;

test.concurrent("three batches that come at once share a tier; none waits for another's end", async () => {
  const { server, asked } = await givenWatchedServer();
  const { client } = server;
  const batches = await Promise.all(["a", "b", "c"].map((prefix) => givenBatchOf(client, batchLines(rows, prefix))));
  for (const { id } of batches) expect((await untilEnded(client, id)).request_counts!.completed).toBe(rows);
  // Behind the rows that whoever was first had put in line before the others came, up to the end of the first to end.
  const first = Math.min(...["a", "b", "c"].map((prefix) => asked.lastIndexOf(prefix)));
  const together = asked.slice(alreadyInLine, first);
  for (const prefix of ["a", "b", "c"]) {
    expect(shareOf(prefix, together), `the share of ${prefix}`).toBeGreaterThan(0.25);
    expect(shareOf(prefix, together), `the share of ${prefix}`).toBeLessThan(0.42);
  }
});

test.concurrent("a model with limits of its own holds up no other model of its tier, in the same batch", async () => {
  const asked: string[] = [];
  const server = await givenServer(redis, {
    concurrency: 4,
    backend: { latencyMs: 50, answer: ({ key }) => `answer ${asked.push(key[0]!)}` },
    config: { models: { narrow: { tier: "lab", model: "narrow-model", limits: { rpm: 60 } } } },
  });
  const { client } = server;
  // Far more than the tier's window could hold of them.
  const { id } = await givenBatchOf(client, batchLines(400, "n", "narrow") + batchLines(rows, "s"));
  const countOf = (prefix: string) => asked.filter((one) => one === prefix).length;
  await until("all rows of the other model to be asked", () => countOf("s") === rows);
  expect(countOf("n")).toBeLessThan(40);
  await client.batches.cancel(id);
  await untilEnded(client, id);
});

test.concurrent("a batch of weight 3 gets three times what one of weight 1 gets", async () => {
  const { server, asked } = await givenWatchedServer();
  const { client } = server;
  const light = await givenBatchOf(client, batchLines(rows, "l"));
  const heavy = await givenBatchOf(client, batchLines(rows, "h"));
  const weighed = await client.post<{ promptfleet: object }>(`/batches/${heavy.id}`, { body: { weight: 3 } });
  expect(weighed.promptfleet).toMatchObject({ weight: 3 });
  await untilEnded(client, heavy.id);
  await untilEnded(client, light.id);
  const share = shareOf("h", asked.slice(alreadyInLine, asked.lastIndexOf("h")));
  // Three quarters, give or take what was in line before it had its weight.
  expect(share).toBeGreaterThan(0.6);
  expect(share).toBeLessThan(0.9);
});

test.concurrent("a paused batch feeds nothing more and says so, until it is resumed", async () => {
  const { server, asked } = await givenWatchedServer();
  const { client, context } = server;
  const { id } = await givenBatchOf(client, batchLines(rows, "p"));
  await until("a part to be asked", () => asked.length > 20);
  await client.post(`/batches/${id}/pause`);
  const isEmpty = () => context.batches.snapshotOf(id)?.tiers.every(({ running, waiting }) => running + waiting === 0);
  await until("what was fed to end", isEmpty);
  expect(context.batches.snapshotOf(id)!.reason).toContain("paused");
  expect(asked.length).toBeLessThan(rows);
  expect((await client.batches.retrieve(id)).status).toBe("in_progress");

  await client.post(`/batches/${id}/resume`);
  expect((await untilEnded(client, id)).request_counts).toEqual({ total: rows, completed: rows, failed: 0 });
});

test.concurrent("a paused batch can be cancelled", async () => {
  const { server, asked } = await givenWatchedServer();
  const { client } = server;
  const { id } = await givenBatchOf(client, batchLines(rows, "p"));
  await until("a part to be asked", () => asked.length > 20);
  await client.post(`/batches/${id}/pause`);
  await client.batches.cancel(id);
  const { status, request_counts: counts } = await untilEnded(client, id);
  expect(status).toBe("cancelled");
  expect(counts!.completed + counts!.failed).toBe(rows);
  expect(counts!.failed).toBeGreaterThan(0);
});
