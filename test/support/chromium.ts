import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { findExecutable, readVariable } from "../../src/config/environment.ts";
import { afterTests } from "./clean-up.ts";

/**
 * The first Chromium here that runs; undefined where there is none. scripts/setup/chromium.sh looks in the same places,
 * and puts one into .tools where it finds none.
 */
export const chromiumPath: string | undefined = [
  readVariable("PROMPTFLEET_CHROMIUM"),
  fileURLToPath(new URL("../../.tools/chromium/run", import.meta.url)),
  findExecutable("chromium"),
  findExecutable("chromium-browser"),
  findExecutable("google-chrome"),
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
].find((path) => path !== undefined && spawnSync(path, ["--version"]).stdout?.includes("Chrom"));

if (chromiumPath === undefined) {
  process.stderr.write("There is no Chromium here, and scripts/test could get none: the tests of pages are skipped\n");
}

let browser: Promise<Browser> | undefined;

export interface OpenedPage {
  readonly page: Page;
  /** Errors of its scripts, what its policy refused, requests that went elsewhere, dialogs that a script opened. */
  readonly troubles: readonly string[];
}

/** A page in a real Chromium, closed after the tests. */
export async function openPage(url: string, options: BrowserContextOptions = {}): Promise<OpenedPage> {
  browser ??= launch();
  const context = await (await browser).newContext({ locale: "en-GB", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const troubles: string[] = [];
  page.on("pageerror", (error) => troubles.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") troubles.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(new URL(url).origin)) troubles.push(`asked ${request.url()}`);
  });
  page.on("dialog", (dialog) => {
    troubles.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.goto(url);
  return { page, troubles };
}

async function launch(): Promise<Browser> {
  // Playwright starts it without its sandbox, which root and most containers cannot set up.
  const launched = await chromium.launch({ executablePath: chromiumPath! });
  afterTests(() => launched.close());
  return launched;
}
