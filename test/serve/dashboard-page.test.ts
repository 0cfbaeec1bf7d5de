import { readFileSync } from "node:fs";
import OpenAI from "openai";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { chromiumPath, openPage } from "../support/chromium.ts";
import { afterTests } from "../support/clean-up.ts";
import { givenPathProxy } from "../support/path-proxy.ts";
import { withRedis } from "../support/redis-server.ts";
import { batchLines, givenBatchOf, givenServer, untilEnded } from "../support/serve.ts";
import { startTcpProxy } from "../support/tcp-proxy.ts";
import { tokens, tokensOfConfig } from "./given-guarded.ts";

const redis = withRedis();

const hostile = "<img src=x onerror=alert(1)><svg onload=alert(2)>.jsonl";
const isLive = '#connection[data-state="live"]';

async function openDashboard(url: string, options: Parameters<typeof openPage>[1] = {}) {
  const opened = await openPage(`${url}/`, options);
  await opened.page.waitForSelector(isLive);
  return opened;
}

const dropFile = (page: Page, name: string, text: string) =>
  page.evaluate(`{
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([${JSON.stringify(text)}], ${JSON.stringify(name)}));
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
  }`);

const batchRow = (page: Page, name: string) => page.locator("#batch-list tbody", { hasText: name });

describe.skipIf(chromiumPath === undefined)("the dashboard in a browser", () => {
  it("shows a batch go on by itself, and what its tier does", async () => {
    const server = await givenServer(redis, { backend: { latencyMs: 60_000 }, concurrency: 4 });
    const { page, troubles } = await openDashboard(server.url);
    await expect.poll(() => page.locator("#no-batches").textContent()).toContain(`base_url="${server.url}/v1"`);
    const { id } = await givenBatchOf(server.client, batchLines(12));
    const row = page.locator(`tbody[data-batch="${id}"]`);
    await row.getByText("0 of 12").waitFor();
    const tier = page.locator('#tiers tbody[data-tier="lab"]');
    // One place is kept for online calls.
    await tier.getByText("3 of 4").waitFor();
    await tier.getByText("working").waitFor();
    await server.client.batches.cancel(id);
    await row.getByText("cancelled", { exact: true }).waitFor();
    await tier.getByText("0 of 4").waitFor();
    await row.getByText("12 not asked").waitFor();
    expect(await row.getByText("failed").count()).toBe(0);
    expect(troubles).toEqual([]);
  });

  it("makes a batch of a dropped file, whose results can be downloaded when it is done", async () => {
    const server = await givenServer(redis, { backend: { latencyMs: 20 } });
    const { page, troubles } = await openDashboard(server.url);
    const rows = Array.from(
      { length: 30 },
      (_, row) => `${JSON.stringify({ prompt: `say something about #d${row}` })}\n`,
    );
    await dropFile(page, "questions.jsonl", rows.join(""));
    await page.getByText("rows with prompts").waitFor();
    await page.getByRole("button", { name: "Start the batch" }).click();
    const row = batchRow(page, "questions.jsonl");
    await row.getByText("done", { exact: true }).waitFor();
    await row.getByText("30 of 30").waitFor();
    const downloading = page.waitForEvent("download");
    await row.getByRole("link", { name: "Download the results of questions.jsonl" }).click();
    const lines = readFileSync(await (await downloading).path(), "utf8")
      .trim()
      .split("\n");
    expect(lines.length).toBe(30);
    expect(lines[7]).toContain("answer to d7");
    expect(troubles).toEqual([]);
  });

  it("says in words what is wrong with a file that is none, and why a batch failed", async () => {
    const server = await givenServer(redis);
    const { page } = await openDashboard(server.url);
    await dropFile(page, "notes.txt", "hello\n");
    await page.getByText("notes.txt cannot be used: its first line is no JSON").waitFor();
    await dropFile(page, "twice.jsonl", batchLines(1) + batchLines(1));
    await page.getByRole("button", { name: "Start the batch" }).click();
    await batchRow(page, "twice.jsonl").getByText("line 2: The custom_id of this line was used").waitFor();
  });

  it("cancels a batch by keyboard alone, and asks before it does", async () => {
    const server = await givenServer(redis, { backend: { latencyMs: 300 }, concurrency: 2 });
    const { page } = await openDashboard(server.url);
    const { id } = await givenBatchOf(server.client, batchLines(500));
    const row = page.locator(`tbody[data-batch="${id}"]`);
    await row.getByText("running").waitFor();
    const focusedName = () => page.evaluate<string>('document.activeElement?.getAttribute("aria-label") ?? ""');
    const tabTo = async (name: string) => {
      for (let presses = 0; presses < 40; presses++) {
        await page.keyboard.press("Tab");
        if ((await focusedName()).startsWith(name)) return;
      }
      throw new Error(`Tab never came to ${name}`);
    };
    await tabTo("Cancel");
    expect(await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")).toBe("solid");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").getByText("rows have no answer yet").waitFor();
    // The way back is what is chosen at first.
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    expect(server.context.batches.get(id)?.status).toBe("in_progress");
    expect(await focusedName()).toContain("Cancel");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await row.getByText("cancelled", { exact: true }).waitFor();
    expect((await untilEnded(server.client, id)).status).toBe("cancelled");
  });

  it("pauses a batch and lets it go on", async () => {
    const server = await givenServer(redis, { backend: { latencyMs: 100 }, concurrency: 2 });
    const { page, troubles } = await openDashboard(server.url);
    const { id } = await givenBatchOf(server.client, batchLines(300));
    const row = page.locator(`tbody[data-batch="${id}"]`);
    await row.getByRole("button", { name: "Pause" }).click();
    await row.locator('.badge[data-state="paused"]').waitFor();
    expect(server.context.batches.get(id)?.paused).toBe(true);
    await row.getByRole("button", { name: "Resume" }).click();
    await row.locator('.badge[data-state="in_progress"]').waitFor();
    expect(server.context.batches.get(id)?.paused).toBe(false);
    expect(troubles).toEqual([]);
  });

  it("works under a path of a proxy, with a login, and offers only what the token may do", async () => {
    const server = await givenServer(redis, {
      backend: { latencyMs: 60_000 },
      config: { serve: { tokens: tokensOfConfig } },
    });
    const admin = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: tokens.admin, maxRetries: 0 });
    await givenBatchOf(admin, batchLines(5));
    const outside = await givenPathProxy(server.url);
    const { page } = await openPage(`${outside}/login`);
    const logIn = async (token: string) => {
      await page.goto(`${outside}/login`);
      await page.getByLabel("Token").fill(token);
      await page.getByRole("button", { name: "Log in" }).click();
      await page.goto(`${outside}/`);
      await page.waitForSelector(isLive);
      await page.locator("#batch-list tbody").first().waitFor();
    };
    await logIn(tokens.submit);
    expect(await page.locator("#upload").isVisible()).toBe(true);
    expect(await page.locator("#batch-list button:visible").count()).toBe(0);
    await dropFile(page, "mine.jsonl", batchLines(5, "m"));
    await page.getByRole("button", { name: "Start the batch" }).click();
    await batchRow(page, "mine.jsonl").getByRole("button", { name: "Cancel" }).waitFor();
    await page.context().clearCookies();
    await logIn(tokens.read);
    expect(await page.locator("#upload").isVisible()).toBe(false);
    expect(await page.locator("#batch-list button:visible").count()).toBe(0);
  });

  it("shows names as they are, however they look: nothing in them runs", async () => {
    const server = await givenServer(redis, {
      backend: {
        fault: { kind: "status", status: 400, body: `{"error":{"message":"${"<img src=x onerror=alert(3)>"}"}}` },
      },
    });
    const { page, troubles } = await openDashboard(server.url);
    await dropFile(page, hostile, `${JSON.stringify({ id: "<b>bold</b>", prompt: "hello #x" })}\n`);
    await page.getByRole("button", { name: "Start the batch" }).click();
    const row = page.locator("#batch-list tbody");
    await row.getByText("1 failed").waitFor();
    expect(await row.locator(".name").textContent()).toBe(hostile);
    await page.locator("#failures").getByText("<img src=x onerror=alert(3)>").waitFor();
    expect(await page.locator("#batch-list img, #failures img, main script").count()).toBe(0);
    expect(troubles).toEqual([]);
  });

  it("fits a phone of 320 px, in the colours that the device wants", async () => {
    const server = await givenServer(redis, { backend: { latencyMs: 50 } });
    await givenBatchOf(server.client, batchLines(40));
    const look = async (colorScheme: "light" | "dark") => {
      const { page } = await openDashboard(server.url, { viewport: { width: 320, height: 640 }, colorScheme });
      await page.locator("#batch-list tbody").first().waitFor();
      expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBe(0);
      return page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
    };
    const [light, dark] = [await look("light"), await look("dark")];
    const brightness = (color: string) => Number(/\d+/.exec(color)?.[0]);
    expect(brightness(light)).toBeGreaterThan(200);
    expect(brightness(dark)).toBeLessThan(60);
  });

  it("says that it is reconnecting when the server cannot be reached, and goes on when it can", async () => {
    const server = await givenServer(redis);
    const proxy = await startTcpProxy(Number(new URL(server.url).port));
    afterTests(() => proxy.close());
    const { page } = await openDashboard(`http://127.0.0.1:${proxy.port}`);
    proxy.cut();
    await page.getByText("reconnecting").waitFor();
    proxy.mend();
    await page.waitForSelector(isLive);
  });
});
