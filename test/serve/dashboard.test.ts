import { describe, expect, it } from "vitest";
import type { BatchRecord } from "../../src/serve/batch-record.ts";
import type { Batches } from "../../src/serve/batches.ts";
import { watchBatches } from "../../src/serve/dashboard-batches.ts";
import { createFailureBook } from "../../src/serve/dashboard-failures.ts";
import { createTierHistory, createTierViews, type TierView } from "../../src/serve/dashboard-tiers.ts";
import { changeBetween, type PageChange, type PageState } from "../../src/serve/dashboard-watch.ts";
import type { Files } from "../../src/serve/files.ts";
import type { FleetSnapshot, TierState } from "../../src/serve/fleet-snapshot.ts";
import { withRedis } from "../support/redis-server.ts";
import { batchLines, givenBatchOf, givenServer, untilEnded } from "../support/serve.ts";
import { until } from "../support/until.ts";

const redis = withRedis();

const idle: TierState = {
  tier: "lab",
  provider: "vllm",
  location: "local",
  isSized: true,
  processes: 1,
  running: 0,
  slots: 4,
  waiting: 0,
  answered: 0,
  erred: 0,
  endpoints: 1,
  endpointsDown: 0,
  isPaused: false,
  reasons: [],
  quotas: [],
};

const snapshotOf = (tier: Partial<TierState>, atMs = 0): FleetSnapshot => ({
  atMs,
  tiers: [{ ...idle, ...tier }],
  processes: 1,
  redis: { usedBytes: 1, maxBytes: 0 },
  failures: [],
  trouble: undefined,
});

describe("the view of a tier", () => {
  it.each([
    ["ready", {}],
    ["working", { running: 1 }],
    ["waits", { running: 1, reasons: ["its limit is in use"] }],
    ["down", { endpointsDown: 1, reasons: ["refused"] }],
    ["paused", { isPaused: true }],
    ["unworked", { processes: 0, waiting: 1 }],
    ["unused", { processes: 0 }],
  ] as const)("is %s when it is so", (state, tier) => {
    expect(createTierViews()(snapshotOf(tier), new Map())[0]!.state).toBe(state);
  });

  it("has its rate from what was answered between looks, and counts rows that are not yet in its queue", () => {
    const view = createTierViews();
    view(snapshotOf({ answered: 100 }, 0), new Map());
    const [seen] = view(
      snapshotOf({ answered: 150, erred: 5, running: 4, waiting: 6 }, 5_000),
      new Map([["lab", 904]]),
    );
    expect(seen).toMatchObject({ perSecond: 10, errorsPerSecond: 1, running: 4, waiting: 900 });
  });

  it("is kept for a quarter of an hour, a tier that came late filled with nothing", () => {
    const history = createTierHistory();
    const view = createTierViews()(snapshotOf({ running: 3 }), new Map())[0] as TierView;
    history.add([], 0);
    for (let at = 0; at < 200; at++) history.add([{ ...view, waiting: at }], at * 5_000);
    const { tiers } = history.all();
    expect(tiers.lab!.running).toEqual(Array(180).fill(3));
    expect(tiers.lab!.waiting.at(-1)).toBe(199);
  });
});

describe("what a page is told", () => {
  it("is what has changed, and what is gone", () => {
    const [lab] = createTierViews()(snapshotOf({}), new Map());
    const state: PageState = {
      fleet: { name: "f", processes: 1, redisBytes: 1, redisMaxBytes: 0, trouble: undefined },
      tiers: [lab!, { ...lab!, tier: "other" }],
      batches: [],
      failures: [],
    };
    expect(changeBetween(state, structuredClone(state))).toEqual({});
    const after = { ...state, tiers: [{ ...lab!, running: 2 }] };
    expect(changeBetween(state, after)).toEqual({ tiers: after.tiers, goneTiers: ["other"] });
    expect(changeBetween(undefined, state)).toEqual({ fleet: state.fleet, tiers: state.tiers, failures: [] });
  });

  it("of failures is each kind once, however many rows fail alike", () => {
    const book = createFailureBook();
    const failure = { batch: "b1", tier: "lab", model: "small", code: "rejected", message: "too long" };
    book.note({ ...failure, row: 7, atMs: 1, code: "invalid_row", message: "no prompt" });
    for (let row = 0; row < 100; row++) for (const _again of [1, 2]) book.note({ ...failure, row, atMs: row + 2 });
    expect(book.all()).toMatchObject([
      { code: "rejected", row: 99, times: 100 },
      { code: "invalid_row", row: 7, times: 1 },
    ]);
  });
});

/** Reads the events of a page until it goes. */
async function listen(url: string) {
  const going = new AbortController();
  const response = await fetch(`${url}/dashboard/events`, { signal: going.signal });
  const events: { readonly event: string; readonly text: string }[] = [];
  void (async () => {
    let text = "";
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const parts = text.split("\n\n");
      text = parts.pop()!;
      for (const part of parts) {
        const match = /^event: (\w+)\ndata: (.*)$/.exec(part);
        if (match !== null) events.push({ event: match[1]!, text: match[2]! });
      }
    }
  })().catch(() => {});
  return {
    response,
    events,
    changes: () => events.map(({ text }) => JSON.parse(text) as PageChange),
    leave: () => going.abort(),
  };
}

describe("the events of the dashboard", () => {
  it("begin with all there is and go on with the same changes for all who look, to the end of a batch", async () => {
    const server = await givenServer(redis, { backend: { latencyMs: 100 }, concurrency: 4 });
    const { id } = await givenBatchOf(server.client, batchLines(40));
    const [one, other] = [await listen(server.url), await listen(server.url)];
    expect(one.response.headers.get("content-type")).toBe("text/event-stream");
    await until("both to begin", () => one.events.length > 0 && other.events.length > 0);
    expect(one.events[0]!.event).toBe("begin");
    expect(JSON.parse(one.events[0]!.text)).toMatchObject({
      viewer: { role: "admin", takesBatches: true },
      batches: [{ id, name: "in.jsonl" }],
    });
    await untilEnded(server.client, id);
    const last = await until("its end to be told", () =>
      one
        .changes()
        .flatMap(({ batches = [] }) => batches)
        .find((batch) => batch.status === "completed"),
    );
    expect(last).toMatchObject({ total: 40, completed: 40, failed: 0 });
    const isChange = ({ event }: { event: string }) => event === "change";
    await until("both to be told", () => other.events.some(({ text }) => text.includes('"completed","isPaused"')));
    const told = new Set(one.events.filter(isChange).map(({ text }) => text));
    const shared = other.events.filter(isChange).filter(({ text }) => told.has(text));
    expect(shared.length).toBeGreaterThan(0);
    expect(
      other.events.filter(isChange).every(({ text }) => told.has(text) || text === other.events.at(-1)!.text),
    ).toBe(true);
    one.leave();
    other.leave();
  });

  it("tell that Redis is away instead of falling silent", async () => {
    const server = await givenServer(redis);
    const page = await listen(server.url);
    await until("it to begin", () => page.events.length > 0);
    redis.signal("SIGSTOP");
    try {
      await until("it to be told", () => page.changes().some(({ fleet }) => fleet?.trouble !== undefined));
    } finally {
      redis.signal("SIGCONT");
    }
    await until("its return to be told", () => {
      const told = page.changes().flatMap(({ fleet }) => fleet ?? []);
      return told.length > 1 && told.at(-1)!.trouble === undefined;
    });
    page.leave();
  });

  it("come with a page whose files all lie under it, wherever a proxy puts it", async () => {
    const server = await givenServer(redis);
    const html = await (await fetch(`${server.url}/`)).text();
    const links = [...html.matchAll(/(?:src|href)="([^"#]+)"/g)].map((match) => match[1]!);
    for (const link of links) expect(link).not.toMatch(/^\/|:/);
    for (const link of new Set(links.filter((one) => one.startsWith("dashboard/")))) {
      const response = await fetch(`${server.url}/${link}`);
      expect([link, response.status]).toEqual([link, 200]);
      const imports = [...(await response.text()).matchAll(/from "([^"]+)"/g)].map((match) => match[1]!);
      for (const file of imports) expect(file).toMatch(/^\.\/[a-z]+\.js$/);
    }
  });
});

it("a batch whose file was removed does not say that its rows came with the request", () => {
  const record = { id: "batch_1", inputFileId: "file-1", status: "completed", createdAtMs: 1, reachedAtMs: {} };
  const zero = { counts: { total: 1, completed: 1, failed: 0 }, usage: {}, costUsd: 0, errors: [] };
  const list = () => [{ ...record, ...zero } as unknown as BatchRecord];
  const batches = { list, onChange: () => () => {} } as unknown as Batches;
  const files = { get: () => undefined } as unknown as Files;
  const watch = watchBatches({ batches, files }, createFailureBook());
  watch.refresh();
  expect(watch.views(2)[0]!.name).toBe("a file that was removed");
});
