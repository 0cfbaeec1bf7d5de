import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { toFile } from "openai";
import { expect, it } from "vitest";
import { readVariable } from "../../src/config/environment.ts";
import { chromiumPath, openPage } from "../support/chromium.ts";
import { givenBackend } from "../support/given-backend.ts";
import { withRedis } from "../support/redis-server.ts";
import { givenServer } from "../support/serve.ts";
import { until } from "../support/until.ts";

/* The picture of the README: PROMPTFLEET_WRITE_PICTURES=1 npx vitest run test/serve/dashboard-picture.test.ts */
const isWanted = chromiumPath !== undefined && readVariable("PROMPTFLEET_WRITE_PICTURES") !== undefined;
const folder = join(import.meta.dirname, "..", "..", "docs", "images");
const redis = withRedis();
const perSecond = 40;

it.runIf(isWanted)(
  "the dashboard of a server with a fast tier, one at its quota and one that is down is drawn for the README",
  async () => {
    const [cloud, gone] = [await givenBackend({ latencyMs: 900, sigma: 0.4 }), await givenBackend()];
    await gone.close();
    const server = await givenServer(redis, {
      backend: { latencyMs: 600, sigma: 0.4, slots: 24 },
      concurrency: 24,
      config: {
        tiers: {
          openai: { provider: "openai-compatible", baseUrl: cloud.baseUrl, location: "cloud", limits: { rpm: 400 } },
          ollama: { provider: "openai-compatible", baseUrl: gone.baseUrl, location: "local", concurrency: 2 },
        },
        models: {
          "openai.small": { tier: "openai", model: "m", price: { inputPerMTok: 20, outputPerMTok: 80 } },
          "local.llama3": { tier: "ollama", model: "m" },
        },
      },
    });
    for (const [name, model, rows] of [
      ["reviews-november.jsonl", "small", 60 * perSecond],
      ["code-review.jsonl", "openai.small", 900],
      ["private-notes.jsonl", "local.llama3", 120],
    ] as const) {
      const lines = Array.from({ length: rows }, (_, row) => `${JSON.stringify({ prompt: `#r${row}`, model })}\n`);
      const file = await server.client.files.create({
        purpose: "batch",
        file: await toFile(Buffer.from(`${lines.join("")}oops\n`), name),
      });
      await server.client.batches.create({
        input_file_id: file.id,
        endpoint: "/v1/chat/completions",
        completion_window: "24h",
      });
    }
    const { page, troubles } = await openPage(`${server.url}/`, {
      viewport: { width: 1280, height: 1000 },
      deviceScaleFactor: 1.5,
    });
    await until("a minute's plots", () => server.backend.stats().answered > 25 * perSecond, 60_000);
    mkdirSync(folder, { recursive: true });
    await page.screenshot({ path: join(folder, "dashboard.png"), fullPage: true });
    expect(troubles).toEqual([]);
  },
  120_000,
);
