import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { hostname } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { expect, it } from "vitest";
import { openFiles } from "../../src/serve/open-files.ts";
import { withRedis } from "../support/redis-server.ts";
import { type GivenServer, givenServer } from "../support/serve.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const redis = withRedis();

/** Everything under the folder of files, but for the locks of living processes. */
function whatLies(dataDirectory: string): string[] {
  const names = readdirSync(join(dataDirectory, "serve", "files"), { recursive: true, encoding: "utf8" });
  return names.filter((name) => name !== "incoming" && !/^incoming\/[0-9a-f]{16}(\.lock)?$/.test(name)).sort();
}

const boundary = "----simulated-form";
const part = (name: string, value: string, more = "") =>
  `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`;

async function send(
  { url }: GivenServer,
  ...parts: string[]
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${url}/v1/files`, {
    method: "POST",
    headers: { "content-type": `multipart/form-data; boundary=${boundary}` },
    body: `${parts.join("")}--${boundary}--\r\n`,
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

it("an upload that is cut in the middle leaves nothing", async () => {
  const server = await givenServer(redis);
  const upload = request(`${server.url}/v1/files`, {
    method: "POST",
    headers: { "content-type": `multipart/form-data; boundary=${boundary}` },
  });
  upload.on("error", () => {});
  upload.write(part("purpose", "batch"));
  upload.write(
    `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\nthe first part`,
  );
  await until("its beginning to be on disk", () =>
    whatLies(server.dataDirectory).some((name) => name.endsWith("content")),
  );
  upload.destroy();
  await until("it to be gone", () => whatLies(server.dataDirectory).length === 0);
  expect(server.context.files.list()).toEqual([]);
});

it("a form that ends before its last part does is refused and leaves nothing", async () => {
  const server = await givenServer(redis);
  const response = await fetch(`${server.url}/v1/files`, {
    method: "POST",
    headers: { "content-type": `multipart/form-data; boundary=${boundary}` },
    body: `${part("purpose", "batch")}--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nthe first part`,
  });
  expect(response.status).toBe(400);
  expect(whatLies(server.dataDirectory)).toEqual([]);
});

it("what a killed server left of an upload is gone after the next start, and what a living one is at stays", async () => {
  const directory = temporaryFolder();
  const dead = spawn(process.execPath, ["--version"]);
  await new Promise((resolve) => dead.once("exit", resolve));
  const incoming = join(directory, "incoming");
  mkdirSync(join(incoming, "dead", "file-1"), { recursive: true });
  writeFileSync(join(incoming, "dead", "file-1", "content"), "half");
  writeFileSync(join(incoming, "dead.lock"), JSON.stringify({ host: hostname(), pid: dead.pid, startedAt: "0" }));

  const living = openFiles(directory);
  expect(existsSync(join(incoming, "dead"))).toBe(false);
  const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>();
  async function* content() {
    yield "first";
    await mayEnd;
    yield "second";
  }
  const adding = living.add(Readable.from(content()), { filename: "a", purpose: "batch" });
  const second = openFiles(directory);
  end();
  const file = await adding;
  expect(second.get(file.id)).toEqual(file);
  living.close();
  second.close();
  expect(readdirSync(incoming)).toEqual([]);
});

it("a file that is larger than it may be is refused in words and leaves nothing", async () => {
  const server = await givenServer(redis, { config: { serve: { limits: { maxFileBytes: 1_000 } } } });
  const tooLong = part("file", "x".repeat(1_001), '; filename="a"');
  const { status, body } = await send(server, part("purpose", "batch"), tooLong);
  expect(status).toBe(413);
  expect(JSON.stringify(body)).toContain("1000 bytes");
  expect(whatLies(server.dataDirectory)).toEqual([]);
});

it("a file whose name has no end can be downloaded all the same", async () => {
  const server = await givenServer(redis);
  const name = `; filename="${"ü".repeat(5_000)}"`;
  const { body } = await send(server, part("file", "content", name), part("purpose", "batch"));
  expect(body.filename).toBe("ü".repeat(255));
  const response = await fetch(`${server.url}/v1/files/${body.id}/content`);
  expect(await response.text()).toBe("content");
});

it("its purpose may come after the file, and it may go by itself after a while", async () => {
  const server = await givenServer(redis);
  const { status, body } = await send(
    server,
    part("file", "content", '; filename="a.jsonl"'),
    part("purpose", "batch"),
    part("expires_after[anchor]", "created_at"),
    part("expires_after[seconds]", "3600"),
  );
  expect(status).toBe(200);
  expect(body).toMatchObject({ bytes: 7, purpose: "batch", filename: "a.jsonl" });
  expect(body.expires_at).toBe((body.created_at as number) + 3_600);
  expect(body.sha256).toBe("ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73");
});

it.each([
  ["no purpose", [part("file", "x", '; filename="a"')], 400],
  ["an unknown purpose", [part("file", "x", '; filename="a"'), part("purpose", "fun")], 400],
  ["no file", [part("purpose", "batch")], 400],
  [
    "an expiry of nothing",
    [part("file", "x", '; filename="a"'), part("purpose", "batch"), part("expires_after[seconds]", "1")],
    400,
  ],
])("a form with %s is refused and leaves nothing", async (_what, parts, expected) => {
  const server = await givenServer(redis);
  expect((await send(server, ...parts)).status).toBe(expected);
  expect(whatLies(server.dataDirectory)).toEqual([]);
});

it("a name that tries to leave the folder is data, and folders and files are for their owner alone", async () => {
  const server = await givenServer(redis);
  const evil = '; filename="..%2f..%2f../../../../tmp/evil.jsonl"';
  const { body } = await send(server, part("purpose", "batch"), part("file", "x", evil));
  const id = body.id as string;
  expect(id).toMatch(/^file-[0-9a-f]{32}$/);
  expect(whatLies(server.dataDirectory)).toEqual([id, join(id, "about.json"), join(id, "content")]);
  const folder = join(server.dataDirectory, "serve", "files", id);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(statSync(join(folder, "content")).mode & 0o777).toBe(0o600);
  const content = await fetch(`${server.url}/v1/files/${id}/content`);
  expect(content.headers.get("content-disposition")).not.toContain("/");
  expect(await content.text()).toBe("x");
});

it("files are listed oldest first if asked, else newest first; an order of another name is refused", async () => {
  const server = await givenServer(redis);
  for (const name of ["a", "b"])
    await send(server, part("purpose", "batch"), part("file", name, `; filename="${name}.jsonl"`));
  const list = async (query: string) => (await fetch(`${server.url}/v1/files${query}`)).json();
  const idsOf = async (query: string) => ((await list(query)) as { data: { id: string }[] }).data.map(({ id }) => id);
  const newestFirst = await idsOf("");
  expect(newestFirst.length).toBe(2);
  expect(await idsOf("?order=desc")).toEqual(newestFirst);
  expect(await idsOf("?order=asc")).toEqual(newestFirst.toReversed());
  expect(await list("?order=x")).toMatchObject({
    error: { type: "invalid_request_error", param: "order", message: 'order: expected one of asc, desc, found "x"' },
  });
});
