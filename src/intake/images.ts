import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { Message } from "../job/row.ts";
import { reasonOf } from "./explain-error.ts";
import { isObject } from "./field-checks.ts";

/** All images of a row together: what providers take is about this much, and each row passes through Redis whole. */
const mostBytes = 20 * 1024 * 1024;

type Part = Readonly<Record<string, unknown>>;

/**
 * The messages with the row's images in the last one of the user, and every image as a URL that leaves this machine: a
 * path becomes a data: URI here, so that whoever asks the row need not have the file.
 * @param folder where paths begin; undefined where no path may be read, as the row may come from somebody else.
 * @returns why it cannot be done, in words that follow the line number.
 */
export function withImages(
  messages: readonly Message[],
  images: string | readonly string[] | undefined,
  folder: string | undefined,
): Message[] | string {
  const budget = { bytes: mostBytes };
  const placed: Message[] = [];
  for (const message of messages) {
    if (typeof message.content === "string" || !message.content?.some(isImagePart)) {
      placed.push(message);
      continue;
    }
    const content: Part[] = [];
    for (const part of message.content) {
      const image = isImagePart(part) ? urlOf(part.image_url.url, folder, budget) : undefined;
      if (image !== undefined && "reason" in image) return `messages: an image_url: ${image.reason}`;
      content.push(
        image === undefined ? part : { ...part, image_url: { ...(part.image_url as Part), url: image.url } },
      );
    }
    placed.push({ ...message, content });
  }
  const list = typeof images === "string" ? [images] : (images ?? []);
  if (list.length === 0) return placed;
  const at = placed.findLastIndex(({ role }) => role === "user");
  if (at === -1) return "images: expected a message of the user beside them, found none";
  const parts: Part[] = [];
  for (const [number, image] of list.entries()) {
    const read = urlOf(image, folder, budget);
    if ("reason" in read) return `images[${number}]: ${read.reason}`;
    parts.push({ type: "image_url", image_url: { url: read.url } });
  }
  const { content } = placed[at]!;
  const texts: readonly Part[] = typeof content === "string" ? [{ type: "text", text: content }] : content;
  placed[at] = { ...placed[at]!, content: [...texts, ...parts] };
  return placed;
}

/** For messages that are passed on as they came: why one of their images is none that may be asked about. */
export function refusedImage(messages: readonly Pick<Message, "content">[]): string | undefined {
  for (const { content } of messages) {
    if (!Array.isArray(content)) continue;
    for (const part of content as readonly unknown[]) {
      const image = isObject(part) ? part.image_url : undefined;
      // Chat has it in an object, responses have it as it is.
      const url = isObject(image) ? image.url : image;
      if (typeof url === "string" && !/^(https?:\/\/|data:)/i.test(url)) return `an image_url: ${noPathHere}`;
    }
  }
  return undefined;
}

const noPathHere = "expected an http(s) URL or a data: URI, found neither; no file is read for this kind of row";

function isImagePart(part: unknown): part is { readonly image_url: { readonly url: string } } {
  return isObject(part) && isObject(part.image_url) && typeof part.image_url.url === "string";
}

type ImageUrl = { readonly url: string } | { readonly reason: string };

function urlOf(image: string, folder: string | undefined, budget: { bytes: number }): ImageUrl {
  if (/^https?:\/\//i.test(image)) {
    return URL.canParse(image) ? { url: image } : { reason: "expected a URL, found one that cannot be read" };
  }
  if (/^data:/i.test(image)) return dataUri(image, budget);
  if (folder === undefined) return { reason: noPathHere };
  if (/^[a-z][a-z0-9+.-]+:/i.test(image)) {
    return { reason: "expected a path, an http(s) URL or a data: URI, found another kind of URL" };
  }
  const path = resolve(folder, image);
  let bytes: Buffer;
  try {
    const { size } = statSync(path);
    if (size > budget.bytes) return { reason: tooLarge };
    bytes = readFileSync(path);
  } catch (error) {
    const isGone = (error as NodeJS.ErrnoException).code === "ENOENT";
    const reason = isGone ? `it is not there; relative paths begin at ${folder}` : reasonOf(error);
    return { reason: `the file cannot be read: ${reason}` };
  }
  budget.bytes -= bytes.length;
  const type = imageTypeOf(bytes);
  return type === undefined ? { reason: noImage } : { url: `data:${type};base64,${bytes.toString("base64")}` };
}

/** Its type is that of its bytes: not every backend corrects a wrong one. */
function dataUri(uri: string, budget: { bytes: number }): ImageUrl {
  const comma = uri.indexOf(",");
  if (comma === -1 || !/;base64$/i.test(uri.slice(0, comma))) {
    return { reason: "expected data:image/…;base64,…, found another form of data: URI" };
  }
  const base64 = uri.slice(comma + 1);
  budget.bytes -= Math.floor((base64.length * 3) / 4);
  if (budget.bytes < 0) return { reason: tooLarge };
  const type = /^[A-Za-z0-9+/]+={0,2}$/.test(base64)
    ? imageTypeOf(Buffer.from(base64.slice(0, 32), "base64"))
    : undefined;
  return type === undefined ? { reason: noImage } : { url: `data:${type};base64,${base64}` };
}

const tooLarge = `expected at most ${mostBytes / 1024 ** 2} MB of images in a row, found more; make them smaller`;
const noImage = "expected a PNG, JPEG, GIF or WebP image, found other bytes";

/** By the bytes that a file of its kind begins with. */
function imageTypeOf(bytes: Buffer): string | undefined {
  const head = bytes.toString("latin1", 0, 12);
  if (head.startsWith("\x89PNG\r\n\x1a\n")) return "image/png";
  if (head.startsWith("\xff\xd8\xff")) return "image/jpeg";
  if (/^GIF8[79]a/.test(head)) return "image/gif";
  return /^RIFF[\s\S]{4}WEBP/.test(head) ? "image/webp" : undefined;
}
