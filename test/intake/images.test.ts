import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { failureOf, givenFolder, parsed, rowOf } from "./given-input.ts";

const png = Buffer.from("89504e470d0a1a0a0000000d49484452", "hex");
const files = {
  "a.png": png,
  "b.jpg": Buffer.from("ffd8ffe000104a464946", "hex"),
  "c.gif": Buffer.from("GIF89a...."),
  "d.webp": Buffer.from("RIFF1234WEBPVP8 "),
  "not-an-image.png": "hello",
  "nested/e.png": png,
};
const uriOf = (type: string, bytes: string | Uint8Array) =>
  `data:image/${type};base64,${Buffer.from(bytes).toString("base64")}`;
const partOf = (url: string) => ({ type: "image_url", image_url: { url } });
const asked = (row: object, imageFolder?: string) => parsed({ prompt: "What is it?", ...row }, { imageFolder });
const contentOf = (row: object, imageFolder?: string) =>
  rowOf(asked(row, imageFolder)).request.messages.at(-1)?.content;

it("images follow the prompt: files by the type of their bytes, URLs as they are", () => {
  const folder = givenFolder(files);
  const images = ["a.png", "b.jpg", "c.gif", "./d.webp", join(folder, "nested/e.png"), "https://example.com/f.png?x=1"];
  expect(contentOf({ images }, folder)).toEqual([
    { type: "text", text: "What is it?" },
    partOf(uriOf("png", png)),
    partOf(uriOf("jpeg", files["b.jpg"])),
    partOf(uriOf("gif", files["c.gif"])),
    partOf(uriOf("webp", files["d.webp"])),
    partOf(uriOf("png", png)),
    partOf("https://example.com/f.png?x=1"),
  ]);
  expect(contentOf({ images: "a.png" }, folder)).toHaveLength(2);
  expect(contentOf({ images: [] }, folder)).toBe("What is it?");
});

it("a data: URI gets the type of its bytes", () => {
  const wrong = uriOf("png", png).replace("image/png", "image/jpg");
  expect(contentOf({ images: [wrong] })).toEqual([{ type: "text", text: "What is it?" }, partOf(uriOf("png", png))]);
});

it("images beside messages go to the last one of the user; images in messages are read as well", () => {
  const folder = givenFolder(files);
  const first = { role: "user", content: [{ type: "text", text: "This:" }, partOf("a.png"), { type: "other" }] };
  const messages = [first, { role: "user", content: "And this?" }, { role: "assistant", content: "It" }];
  const row = rowOf(parsed({ messages, images: ["c.gif"] }, { imageFolder: folder }));
  expect(row.request.messages).toEqual([
    { role: "user", content: [{ type: "text", text: "This:" }, partOf(uriOf("png", png)), { type: "other" }] },
    { role: "user", content: [{ type: "text", text: "And this?" }, partOf(uriOf("gif", files["c.gif"]))] },
    { role: "assistant", content: "It" },
  ]);
  const lonely = parsed({ messages: [{ role: "system", content: "x" }], images: ["a.png"] }, { imageFolder: folder });
  expect(failureOf(lonely)).toBe("line 7: images: expected a message of the user beside them, found none");
});

it.each([
  [{ images: 3 }, "images: expected a list of images, each a path, an http(s) URL or a data: URI, found 3"],
  [{ images: ["a.png", ""] }, /^images: expected a list of images/],
  [
    { images: ["a.png", "gone.png"] },
    /^images\[1\]: the file cannot be read: it is not there; relative paths begin at \//,
  ],
  [{ images: ["nested"] }, /^images\[0\]: the file cannot be read: it is a folder/],
  [{ images: ["not-an-image.png"] }, "images[0]: expected a PNG, JPEG, GIF or WebP image, found other bytes"],
  [{ images: ["file:///etc/passwd"] }, /^images\[0\]: expected a path, an http\(s\) URL or a data: URI/],
  [{ images: ["https://"] }, /^images\[0\]: expected a URL, found one that cannot be read/],
  [{ images: ["data:image/png,abc"] }, /^images\[0\]: expected data:image/],
  [{ images: ["data:image/png;base64,aGVsbG8="] }, /found other bytes/],
  [{ images: [`${uriOf("png", png)}"}`] }, /found other bytes/],
  [
    { prompt: undefined, messages: [{ role: "user", content: [partOf("gone.png")] }] },
    /^messages: an image_url: the file/,
  ],
])("a row with %j fails and says why", (row, message) => {
  const failure = failureOf(asked(row, givenFolder(files))).replace("line 7: ", "");
  if (typeof message === "string") expect(failure).toBe(message);
  else expect(failure).toMatch(message);
});

it("all images of a row together have a limit, which is looked at before they are read", () => {
  const folder = givenFolder();
  mkdirSync(join(folder, "big"));
  const twelveMb = Buffer.alloc(12 * 1024 ** 2);
  png.copy(twelveMb);
  for (const name of ["one.png", "two.png"]) writeFileSync(join(folder, "big", name), twelveMb);
  expect(contentOf({ images: ["big/one.png"] }, folder)).toHaveLength(2);
  const tooLarge = /expected at most 20 MB of images in a row, found more; make them smaller/;
  expect(failureOf(asked({ images: ["big/one.png", "big/two.png"] }, folder))).toMatch(tooLarge);
  const uri = uriOf("png", twelveMb);
  expect(failureOf(asked({ images: [uri, uri] }))).toMatch(tooLarge);
});

it("no file is read for a row that may come from somebody else, nor for an OpenAI line", () => {
  const folder = givenFolder(files);
  const noPath = /expected an http\(s\) URL or a data: URI, found neither; no file is read for this kind of row/;
  expect(failureOf(asked({ images: [join(folder, "a.png")] }))).toMatch(noPath);
  const line = (url: string) => ({
    custom_id: "a",
    method: "POST",
    url: "/v1/chat/completions",
    body: { messages: [{ role: "user", content: [partOf(url)] }] },
  });
  for (const url of [join(folder, "a.png"), "a.png", "file:///etc/passwd"]) {
    expect(failureOf(parsed(line(url), { imageFolder: folder }))).toMatch(noPath);
  }
  for (const url of ["https://example.com/a.png", uriOf("png", png)]) {
    expect(rowOf(parsed(line(url), { imageFolder: folder })).request.openaiBody).toEqual(line(url).body);
  }
});
