import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { findExecutable, readVariable } from "../../src/config/environment.ts";
import { afterTests } from "./clean-up.ts";

/** The Chromium of this machine (`apt-get install chromium`). Undefined where there is none. */
export const chromiumPath: string | undefined = [
  readVariable("PROMPTFLEET_CHROMIUM"),
  findExecutable("chromium"),
  findExecutable("chromium-browser"),
  findExecutable("google-chrome"),
].find((path) => path !== undefined);

if (chromiumPath === undefined) {
  process.stderr.write(
    "There is no Chromium on this machine: the tests of pages are skipped (apt-get install chromium)\n",
  );
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
  // As root, in containers, its sandbox cannot be set up.
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  const launched = await chromium.launch({ executablePath: chromiumPath!, args });
  afterTests(() => launched.close());
  return launched;
}
