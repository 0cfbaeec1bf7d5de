import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../../test/support/until.ts";
import { type ProgramProcess, startProgram } from "../chaos/program-process.ts";

export interface ServedProgram {
  readonly url: string;
  readonly process: ProgramProcess;
  stop(): Promise<void>;
}

/** `promptfleet serve` as a user has it, with an embedded Redis, on a free port. */
export async function startServed(directory: string, program: string, config: object): Promise<ServedProgram> {
  const path = join(directory, "promptfleet.json");
  writeFileSync(path, JSON.stringify(config));
  const args = ["serve", "--port", "0", "--config", path, "--data-dir", join(directory, "data")];
  const served = startProgram(program, args, directory);
  const url = await until("the server to serve", () => {
    if (!served.isRunning()) throw new Error(`the server ended at its start: ${served.stderr()}`);
    return /serving fleet .* at (http:[^\s,]+)/.exec(served.stderr())?.[1];
  });
  return {
    url,
    process: served,
    async stop() {
      served.signal("SIGTERM");
      await served.ended;
    },
  };
}
