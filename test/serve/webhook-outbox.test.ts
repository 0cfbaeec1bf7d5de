import { readdirSync } from "node:fs";
import { Webhook } from "standardwebhooks";
import { describe, expect, it } from "vitest";
import { refusalOfAddress } from "../../src/serve/webhook-address.ts";
import { openWebhookOutbox, retryDelaysMs } from "../../src/serve/webhook-outbox.ts";
import { readWebhookSecret } from "../../src/serve/webhook-secret.ts";
import type { Lookup } from "../../workers/location-guard.ts";
import { AddressRefused, createEventPoster } from "../../workers/post-event.ts";
import { afterTests } from "../support/clean-up.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";
import { givenReceiver } from "./given-receiver.ts";

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const event = { id: "evt_1", type: "batch.completed", body: '{"type":"batch.completed"}' };

/** A DNS that says this of every name, one answer after the other and the last for ever. */
function dns(...answers: readonly (readonly string[])[]): Lookup {
  let asked = 0;
  return (_host, _options, done) => {
    const addresses = answers[Math.min(asked++, answers.length - 1)]!;
    process.nextTick(() =>
      done(
        null,
        addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
      ),
    );
  };
}

interface OutboxOptions {
  readonly allowPrivate?: boolean;
  readonly lookup?: Lookup;
  readonly directory?: string;
}

function givenOutbox({ allowPrivate = true, lookup, directory = temporaryFolder() }: OutboxOptions = {}) {
  const notices: string[] = [];
  const poster = createEventPoster((address, host) => {
    const refusal = refusalOfAddress(address, allowPrivate);
    return refusal === undefined ? undefined : new AddressRefused(`${host}: ${refusal}`);
  }, lookup);
  const outbox = openWebhookOutbox({
    directory,
    poster,
    secret: async () => new Webhook(secret),
    onNotice: (line) => notices.push(line),
    delaysMs: [10, 10],
  });
  let closed: Promise<void> | undefined;
  const close = () => (closed ??= outbox.close());
  afterTests(close);
  const pending = () => readdirSync(directory).filter((name) => name.endsWith(".json"));
  return { ...outbox, close, notices, directory, pending };
}

describe.concurrent("an event on its way", () => {
  it("is sent again when the receiver fails, with the same id and a signature that is true then too", async () => {
    const receiver = await givenReceiver();
    receiver.answerWith(500, 429);
    const outbox = givenOutbox();
    outbox.add(receiver.url, event);
    await until("the third try", () => receiver.received.length === 3 && outbox.pending().length === 0);
    for (const { body, headers, path } of receiver.received) {
      expect([body, headers["webhook-id"], path]).toEqual([event.body, "evt_1", "/hook?key=of-the-receiver"]);
      new Webhook(secret).verify(body, headers);
    }
    expect(outbox.notices).toEqual([
      `webhook batch.completed to 127.0.0.1:${receiver.port}: it answered 500; it is sent again`,
    ]);
  });

  it("is given up after the last try, and that is said without the URL's secret part", async () => {
    const receiver = await givenReceiver();
    receiver.answerWith(500, 500, 500);
    const outbox = givenOutbox();
    outbox.add(receiver.url, event);
    await until("it to be given up", () => outbox.pending().length === 0);
    expect(outbox.notices.at(-1)).toBe(
      `webhook batch.completed to 127.0.0.1:${receiver.port} is given up (3 tries): it answered 500`,
    );
    expect(outbox.notices.join()).not.toContain("of-the-receiver");
  });

  it("follows no redirect: whoever is told answers himself", async () => {
    const receiver = await givenReceiver();
    receiver.answerWith(302, 307, 301);
    const outbox = givenOutbox();
    outbox.add(receiver.url, event);
    await until("it to be given up", () => outbox.pending().length === 0);
    expect(receiver.received.map(({ path }) => path)).toEqual(Array(3).fill("/hook?key=of-the-receiver"));
  });

  it("is not sent any more to who answers that he is gone", async () => {
    const receiver = await givenReceiver();
    receiver.answerWith(410);
    const outbox = givenOutbox();
    outbox.add(receiver.url, event);
    await until("it to be given up", () => outbox.pending().length === 0);
    expect(receiver.received).toHaveLength(1);
  });

  it.each([
    ["a name that leads to this machine", false, [["127.0.0.1"]]],
    ["a name of which one address is private", false, [["8.8.8.8", "192.168.1.1"]]],
    ["a name that leads to a metadata address, whatever the config allows", true, [["169.254.169.254"]]],
    ["a name that leads to a metadata address in IPv6 clothes", true, [["::ffff:169.254.169.254"]]],
  ])("does not go to %s", async (_what, allowPrivate, answers) => {
    const receiver = await givenReceiver();
    const outbox = givenOutbox({ allowPrivate, lookup: dns(...answers) });
    outbox.add(`http://hooks.example.com:${receiver.port}/`, event);
    await until("it to be given up", () => outbox.pending().length === 0);
    expect(receiver.received).toEqual([]);
    expect(outbox.notices).toEqual([expect.stringMatching(/is given up \(1 tries\): hooks\.example\.com: .*address/)]);
  });

  it("is looked at anew when the name leads elsewhere at the next try", async () => {
    const receiver = await givenReceiver();
    receiver.answerWith(500);
    const outbox = givenOutbox({ lookup: dns(["127.0.0.1"], ["169.254.169.254"]) });
    outbox.add(`http://hooks.example.com:${receiver.port}/`, event);
    await until("it to be given up", () => outbox.pending().length === 0);
    expect(receiver.received).toHaveLength(1);
    expect(outbox.notices.at(-1)).toContain("metadata address");
  });

  it("holds up no other", async () => {
    const [dead, alive] = [await givenReceiver(), await givenReceiver()];
    dead.answerWith(...Array(10).fill(503));
    const outbox = givenOutbox();
    outbox.add(dead.url, event);
    outbox.add(alive.url, { ...event, id: "evt_2" });
    await until("the other to be delivered", () => alive.received.length === 1);
  });

  it("is sent by one of several processes of a directory, and by another when that has gone", async () => {
    const receiver = await givenReceiver();
    const first = givenOutbox();
    first.add(receiver.url, event);
    await until("it to be delivered", () => first.pending().length === 0);
    const second = givenOutbox({ directory: first.directory });
    second.add(receiver.url, { ...event, id: "evt_2" });
    await until("the second to be delivered", () => second.pending().length === 0);
    await first.close();
    second.add(receiver.url, { ...event, id: "evt_3" });
    await until("the third to be delivered", () => second.pending().length === 0);
    expect(receiver.received.map(({ headers }) => headers["webhook-id"])).toEqual(["evt_1", "evt_2", "evt_3"]);
  });
});

it("is tried for hours", () => {
  expect(retryDelaysMs.reduce((sum, delayMs) => sum + delayMs, 0)).toBeGreaterThan(12 * 3_600_000);
});

it("the secret of the environment is used as it is, and refused when it is none", async () => {
  const read = (value: string) => readWebhookSecret("/nowhere", "HOOKS", { HOME: "/nowhere", HOOKS: value });
  expect((await read(secret)).place).toBe("HOOKS (environment)");
  for (const wrong of ["plain words", "whsec_", "whsec_c2hvcnQ=", secret.slice(6)]) {
    await expect(read(wrong)).rejects.toThrow(/HOOKS \(environment\) must be whsec_/);
  }
});
