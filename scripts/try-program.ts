import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Endpoint } from "../workers/adapter.ts";
import { aichatProgram } from "../workers/aichat.ts";
import { claudeProgram } from "../workers/claude-cli.ts";
import { type CliProgram, cliAdapter, type Exited } from "../workers/cli-adapter.ts";

export const programs: Readonly<Record<string, CliProgram>> = { aichat: aichatProgram, "claude-cli": claudeProgram };

export interface ProgramTrial {
  readonly endpoint: Endpoint;
  /** The name under which its next end is kept, or none. */
  title(name: string | undefined): void;
  close(): void;
}

/**
 * A real program that asks the server at this URL as its provider, with a key of no worth and a home of its own: nothing
 * of the user's is read. Its ends are kept as `FOLDER/*.json` when there is a folder.
 */
export function tryProgram(program: CliProgram, url: string, folder: string | undefined): ProgramTrial {
  const home = mkdtempSync(join(tmpdir(), "promptfleet-try-"));
  let title: string | undefined;
  const keep = ({ code, stdout, stderr }: Exited): void => {
    if (folder === undefined || title === undefined) return;
    mkdirSync(folder, { recursive: true });
    const text = JSON.stringify({ code, stdout, stderr }, null, 2).replaceAll(home, "/home/user");
    const anonymous = text.replace(/(\\"(?:session_id|uuid)\\":\\")[^\\]*/g, "$100000000-0000-4000-8000-000000000000");
    writeFileSync(join(folder, `${title.replaceAll(" ", "-")}.json`), `${anonymous}\n`);
  };
  const kept: CliProgram = {
    ...program,
    read(exited, call, quote) {
      keep(exited);
      return program.read(exited, call, quote);
    },
  };
  const environment = {
    ...{ PATH: process.env.PATH, HOME: home, OPENAI_API_BASE: url, ANTHROPIC_BASE_URL: new URL(url).origin },
  };
  const endpoint = cliAdapter(kept, environment).connect({
    ...{ tier: program.provider, baseUrl: "", apiKey: "sk-of-no-worth", location: "cloud", trustedHosts: [] },
    concurrency: 2,
  });
  return {
    endpoint,
    title(name) {
      title = name;
    },
    close: () => rmSync(home, { recursive: true, force: true }),
  };
}
