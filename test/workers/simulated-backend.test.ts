import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { type SimulatedBackend, type SimulatedStats, startSimulatedBackend } from "../support/simulated-backend.ts";

let backend: SimulatedBackend | undefined;
afterEach(() => backend?.close());

const ask = (baseUrl: string, text: string, signal?: AbortSignal) =>
  fetch(`${baseUrl}/chat/completions`, {
    method: "POST",
    body: JSON.stringify({ model: "m", messages: [{ role: "user", content: text }] }),
    ...(signal ? { signal } : {}),
  });

it("counts how often each key was asked, and how many requests were there at once", async () => {
  backend = await startSimulatedBackend({ latencyMs: 30, slots: 2 });
  const { baseUrl } = backend;
  const answers = await Promise.all(["#a x", "see #b", "#a again", "no key"].map((text) => ask(baseUrl, text)));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  expect(Object.fromEntries(backend.countsByKey)).toEqual({ a: 2, b: 1, "": 1 });
  expect(backend.requests()).toBe(4);
  expect(backend.peakInFlight).toBe(4);
  expect(backend.inFlight).toBe(0);
});

it("answers no more at once than it has slots, and measures how busy these were", async () => {
  backend = await startSimulatedBackend({ latencyMs: 20, slots: 3 });
  const { baseUrl } = backend;
  const worker = async (): Promise<void> => {
    for (let count = 0; count < 6; count++) await ask(baseUrl, "#x");
  };
  await Promise.all(Array.from({ length: 6 }, worker));
  const { busySlotMs, spanMs } = backend.stats();
  expect(busySlotMs / (3 * spanMs)).toBeGreaterThan(0.7);
  expect(busySlotMs / (3 * spanMs)).toBeLessThanOrEqual(1.001);
  // 36 answers of 20 ms by 3 slots: not faster than 12 rounds, but for what is in flight at the last arrival.
  expect(spanMs).toBeGreaterThan(10 * 20);
});

it("frees the slot of a client that goes away", async () => {
  backend = await startSimulatedBackend({ slots: 1, fault: { kind: "stall" } });
  const abort = new AbortController();
  const gone = ask(backend.baseUrl, "#a", abort.signal).catch(() => "gone");
  await expect.poll(() => backend?.inFlight).toBe(1);
  abort.abort();
  expect(await gone).toBe("gone");
  backend.setBehaviour({ fault: undefined });
  expect((await ask(backend.baseUrl, "#b")).status).toBe(200);
});

it("misbehaves by programme", async () => {
  backend = await startSimulatedBackend({
    fault: ({ ask: time }) =>
      time === 1 ? { kind: "status", status: 429, headers: { "retry-after": "1" } } : undefined,
  });
  expect((await ask(backend.baseUrl, "#a")).status).toBe(429);
  expect((await ask(backend.baseUrl, "#a")).status).toBe(200);
  backend.setBehaviour({ fault: { kind: "reset" } });
  await expect(ask(backend.baseUrl, "#a")).rejects.toThrow();
});

it("runs as a program of its own, which is asked and changed over HTTP", async () => {
  const program = join(import.meta.dirname, "../support/simulated-backend.ts");
  const child = spawn(process.execPath, [program, "--port", "0", "--slots", "8"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const { baseUrl, port } = JSON.parse(line.toString());
  const control = (path: string, body?: object) =>
    fetch(`http://127.0.0.1:${port}/simulated/${path}`, body ? { method: "POST", body: JSON.stringify(body) } : {});
  expect((await ask(baseUrl, "#7")).status).toBe(200);
  await control("behaviour", { fault: { kind: "html" } });
  expect(await (await ask(baseUrl, "#7")).text()).toContain("<html>");
  expect((await (await control("stats")).json()) as SimulatedStats).toMatchObject({
    requests: 2,
    countsByKey: { 7: 2 },
  });
  await control("reset", {});
  expect((await (await control("stats")).json()) as SimulatedStats).toMatchObject({ requests: 0, countsByKey: {} });
  child.kill();
  await once(child, "exit");
});
