import OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { chromiumPath, openPage } from "../support/chromium.ts";
import { givenPathProxy } from "../support/path-proxy.ts";
import { withRedis } from "../support/redis-server.ts";
import { batchLines, givenBatchOf, givenServer, untilEnded } from "../support/serve.ts";
import { until } from "../support/until.ts";
import { tokens, tokensOfConfig } from "./given-guarded.ts";

const server = withRedis();
const fault = ({ key }: { readonly key: string }) =>
  key.startsWith("bad") ? { kind: "status" as const, status: 400, body: '{"error":{"message":"no"}}' } : undefined;

describe.skipIf(chromiumPath === undefined)("in a browser, behind a proxy that shows the server under a path", () => {
  it("the login leads to the board, where jobs are seen and a queue is paused, and nobody else is asked for anything", async () => {
    const given = await givenServer(server, { backend: { fault }, config: { serve: { tokens: tokensOfConfig } } });
    const client = new OpenAI({ baseURL: `${given.url}/v1`, apiKey: tokens.submit, maxRetries: 0 });
    await untilEnded(client, (await givenBatchOf(client, batchLines(5) + batchLines(2, "bad"))).id);
    const { fleet } = given.context;

    const outside = await givenPathProxy(given.url);
    const { page, troubles } = await openPage(`${outside}/queues/queue/lab?status=failed`);
    await page.getByLabel("Token").fill("wrong");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("alert").waitFor();
    await page.getByLabel("Token").fill(tokens.admin);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByText("small · row 5").waitFor();
    await page.getByText("rejected (row 6): every model of its route refused it").waitFor();
    expect(page.url()).toBe(`${outside}/queues/queue/lab?status=failed`);
    expect(await page.evaluate("document.cookie")).toBe("");

    await page.getByRole("button", { name: "Clean all" }).click();
    await page.getByRole("button", { name: "Confirm" }).click();
    await page.getByText("promptfleet keeps its queues itself").waitFor();
    expect(await fleet.queues.of("lab").getFailedCount()).toBe(2);

    await page.goto(`${outside}/queues/`);
    await page.getByRole("link", { name: "lab" }).first().waitFor();
    expect(await page.evaluate("fetch('api/queues/lab/pause', { method: 'PUT' }).then(({ status }) => status)")).toBe(
      200,
    );
    await until("the tier to say why it waits", () => fleet.pools()[0]?.pool.waitReason() === "its queue is paused");
    await page.goto(`${outside}/queues/queue/lab`);
    await page.getByText("its queue is paused").waitFor();

    // The wrong token and the refusal above; what its policy refused, or went elsewhere, would be here too.
    expect(troubles.map((text) => /status of (\d+)/.exec(text)?.[1] ?? text)).toEqual(["401", "403"]);
  });

  it("the page of another site gets nothing from a server without a token, whatever it tries", async () => {
    const given = await givenServer(server);
    const { page } = await openPage("about:blank");
    // A page of an origin of its own, as any website has.
    await page.route("http://evil.example/**", (route) =>
      route.fulfill({ contentType: "text/html", body: "<h1>Hello</h1>" }),
    );
    await page.goto("http://evil.example/");
    const attempts = [
      `fetch("${given.url}/v1/batches", { method: "POST", mode: "no-cors", body: '{"input_file_id":"file-1"}' })`,
      `fetch("${given.url}/v1/files")`,
      `fetch("${given.url}/v1/chat/completions", { method: "POST", headers: { "content-type": "application/json" }, body: "{}" })`,
    ];
    const seen: number[] = [];
    page.on("response", (response) => seen.push(response.status()));
    for (const attempt of attempts) await page.evaluate(`${attempt}.catch(() => {})`);
    await page.setContent(
      `<form method="post" action="${given.url}/v1/batches" enctype="text/plain"><input name='{"a' value='"}'><button>Go</button></form>`,
    );
    await page.getByRole("button").click();
    await until("the form's answer", () => page.url().startsWith(given.url));
    expect(await page.textContent("body")).toContain("a page of another site may not ask this server");
    // A newer Chromium does not even send the first ones, as it asks before a site may reach this machine.
    expect(new Set(seen)).toEqual(new Set([403]));
    expect(given.context.batches.list()).toEqual([]);
  });
});
