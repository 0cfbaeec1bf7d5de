import { describe, expect, it } from "vitest";
import { listElements, MalformedBody } from "../../src/serve/list-elements.ts";

async function elementsOf(text: string, bytesAtOnce = text.length): Promise<string[]> {
  const bytes = Buffer.from(text);
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += bytesAtOnce) yield bytes.subarray(at, at + bytesAtOnce);
  }
  const elements: string[] = [];
  for await (const element of listElements(chunks(), "requests")) elements.push(element.toString());
  return elements;
}

describe("the elements of a list in a JSON object", () => {
  const nested = [
    { a: [1, { b: "x]}," }], c: '"\\', requests: ["inner"] },
    "te,xt",
    [["deep"]],
    { grüße: "汉字 🐈" },
    -1.5e3,
    null,
  ];
  const bodies: [string, string][] = [
    ["compact", JSON.stringify({ requests: nested })],
    ["with spaces", JSON.stringify({ requests: nested }, null, 2)],
    [
      "among others",
      JSON.stringify({ before: { requests: [1] }, n: 5, t: "requests", requests: nested, after: [true] }),
    ],
  ];

  it.each(bodies)("come as they are written, %s, wherever chunks end", async (_how, body) => {
    for (const bytesAtOnce of [1, 2, 3, 7, 64, body.length + 1]) {
      const elements = await elementsOf(body, bytesAtOnce);
      expect(elements.map((element) => JSON.parse(element))).toEqual(nested);
    }
  });

  it("are none of an empty list", async () => {
    expect(await elementsOf('{"requests":[ ]}')).toEqual([]);
  });

  it.each([
    "",
    "  ",
    "[]",
    '"requests"',
    "{}",
    '{"requests":{}}',
    '{"requests":"[]"}',
    '{"request":[1]}',
    '{"requests":[1]',
    '{"requests":[1',
    '{"requests":[1]}}',
    '{"requests":[1]} x',
    '{"requests":[1}}',
    '{"requests":[1]]',
    '{"requests":[1,]}',
    '{"requests":[,1]}',
    '{"requests":[1,,2]}',
    '{"requests":[1],"requests":[2]}',
    '{"requests"[1]}',
    '{"requests":[1] "x":1}',
    "{requests:[1]}",
    '{["requests"]:[1]}',
  ])("are refused of %j", async (body) => {
    await expect(elementsOf(body)).rejects.toBeInstanceOf(MalformedBody);
  });

  it("are held one at a time, however long the list is", async () => {
    const element = Buffer.from(`${JSON.stringify({ text: "x".repeat(10_000) })},`);
    let asked = 0;
    async function* endless() {
      yield Buffer.from('{"requests":[');
      for (;;) {
        asked++;
        yield element;
      }
    }
    let seen = 0;
    for await (const one of listElements(endless(), "requests")) {
      expect(one.length).toBe(element.length - 1);
      if (++seen === 1_000) break;
    }
    expect(asked).toBe(1_000);
  });
});
