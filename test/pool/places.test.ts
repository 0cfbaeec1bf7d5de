import { expect, test } from "vitest";
import type { PromptRequest } from "../../src/job/row.ts";
import { createPlaces } from "../../src/pool/places.ts";

interface Box {
  readonly name: string;
  readonly slots: number;
  inFlight: number;
}

const box = (name: string, slots: number): Box => ({ name, slots, inFlight: 0 });
const asking = (system: string, prompt = "Hello"): PromptRequest => ({
  messages: [
    { role: "system", content: system },
    { role: "user", content: prompt },
  ],
});

function placesAt(boxes: readonly Box[]) {
  return createPlaces(
    boxes,
    ({ slots }) => slots,
    () => {},
  );
}

/** Beginnings whose home is that box. */
async function beginningsOf(boxes: readonly Box[], name: string): Promise<string[]> {
  const found: string[] = [];
  for (let number = 0; found.length < 3; number++) {
    const system = `You are helper ${number}.`;
    const idle = boxes.map(({ name: of }) => box(of, 100));
    if ((await placesAt(idle).acquire(asking(system)))?.name === name) found.push(system);
  }
  return found;
}

test("rows whose prompts begin alike go to one endpoint while it has room", async () => {
  const boxes = [box("a", 10), box("b", 10)];
  const places = placesAt(boxes);
  const [system] = await beginningsOf(boxes, "b");
  for (let row = 0; row < 4; row++) expect((await places.acquire(asking(system!, `row ${row}`)))?.name).toBe("b");
});

test("but not where the other endpoint has far more room, and never wait while there is a place", async () => {
  const boxes = [box("a", 10), box("b", 10)];
  const places = placesAt(boxes);
  const [system] = await beginningsOf(boxes, "b");
  for (let row = 0; row < 20; row++) expect(await places.acquire(asking(system!, `row ${row}`))).toBeDefined();
  expect(boxes.map(({ inFlight }) => inFlight)).toEqual([10, 10]);
});

test("a place that becomes free goes to a row that is at home there, though not for ever past the first in line", async () => {
  const boxes = [box("a", 1), box("b", 1)];
  const places = placesAt(boxes);
  const [atA] = await beginningsOf(boxes, "a");
  const [atB] = await beginningsOf(boxes, "b");
  await places.acquire(asking(atA!));
  await places.acquire(asking(atB!));
  const order: string[] = [];
  const wait = (system: string, name: string) => places.acquire(asking(system)).then(() => order.push(name));
  const all = [wait(atA!, "first"), ...Array.from({ length: 12 }, (_, row) => wait(atB!, `b${row}`))];
  for (let row = 0; row < 13; row++) {
    boxes[1]!.inFlight--;
    places.serve();
    await new Promise(setImmediate);
  }
  await Promise.all(all);
  expect(order[0]).toBe("b0");
  expect(order.indexOf("first")).toBe(8);
});

test("endpoints that take no calls get none", async () => {
  const boxes = [box("a", 0), box("b", 2)];
  const places = placesAt(boxes);
  const [system] = await beginningsOf(boxes, "a");
  expect((await places.acquire(asking(system!)))?.name).toBe("b");
});
