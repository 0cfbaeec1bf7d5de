import { chromium, type Page } from "playwright-core";
import { findExecutable } from "../../src/config/environment.ts";
import { afterTests } from "./clean-up.ts";

/** The system's Chromium; tests that need it are skipped where there is none. */
export const browserPath =
  findExecutable("chromium") ?? findExecutable("chromium-browser") ?? findExecutable("google-chrome");

export interface WatchedPage {
  readonly page: Page;
  /** Every URL that it has asked for. */
  readonly asked: readonly string[];
  /** What a console shows in red, violations of the content policy among it. */
  readonly complaints: readonly string[];
}

/** A page in a browser of its own, which is closed after the tests. */
export async function openPage(
  options: Parameters<Awaited<ReturnType<typeof launch>>["newPage"]>[0] = {},
): Promise<WatchedPage> {
  const browser = await launch();
  afterTests(() => browser.close());
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, ...options });
  page.setDefaultTimeout(15_000);
  const asked: string[] = [];
  const complaints: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  return { page, asked, complaints };
}

const launch = () => chromium.launch({ executablePath: browserPath!, args: ["--no-sandbox"] });
