/**
 * Where the program's own CPU goes: one `promptfleet run` under Node's profiler, in µs a row by module. The profiler
 * itself costs some; what counts is the shares.
 *   node scripts/bench/profile.ts [--rows 20000] [--concurrency 100] [--functions 25] [--program src/cli.ts]
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { measureFleetRun } from "./fleet-run.ts";
import { type CpuProfile, type ProfileSummary, summarise } from "./profile-summary.ts";
import { writePrompts } from "./prompts.ts";
import { readOptions } from "./run-alone.ts";
import { startInstantServer } from "./simulated-server.ts";
import { inWorkplace } from "./workplace.ts";

export interface ProfileOptions {
  readonly program: string;
  readonly rows: number;
  readonly concurrency: number;
  /** How many single functions are listed below the modules. */
  readonly functions: number;
}

/** From the sources: in the built program modules come together in a few files, and cannot be told apart. */
const fromSources = join(import.meta.dirname, "..", "..", "src", "cli.ts");

export const profileDefaults: ProfileOptions = { program: fromSources, rows: 20_000, concurrency: 100, functions: 25 };

export interface ProfileResult {
  readonly summary: ProfileSummary;
  /** CPU of all threads of the process, a row. */
  readonly clientCpuUsPerRow: number;
  readonly redisCpuUsPerRow: number;
}

export async function measureProfile({ program, rows, concurrency }: ProfileOptions): Promise<ProfileResult> {
  return inWorkplace(async (workplace) => {
    const input = join(workplace, "input.jsonl");
    await writePrompts(input, rows);
    const server = await startInstantServer();
    try {
      const profiles = join(workplace, "profiles");
      const { client, redis } = await measureFleetRun({
        program,
        directory: join(workplace, "run"),
        input,
        rows,
        port: server.port,
        concurrency,
        nodeOptions: ["--cpu-prof", "--cpu-prof-interval=500", `--cpu-prof-dir=${profiles}`],
      });
      const [name] = readdirSync(profiles);
      const profile = JSON.parse(readFileSync(join(profiles, name!), "utf8")) as CpuProfile;
      return {
        summary: summarise(profile),
        clientCpuUsPerRow: (client.cpuMs * 1_000) / rows,
        redisCpuUsPerRow: (redis.cpuMs * 1_000) / rows,
      };
    } finally {
      await server.stop();
    }
  });
}

if (import.meta.main) {
  const options = readOptions(profileDefaults);
  const { summary, clientCpuUsPerRow, redisCpuUsPerRow } = await measureProfile(options);
  const perRow = (us: number): string => (us / options.rows).toFixed(1).padStart(7);
  console.log(
    `µs a row of ${options.rows} rows: main thread busy ${perRow(summary.busyUs)}, waiting ${perRow(summary.idleUs)}`,
  );
  console.log(`whole process ${clientCpuUsPerRow.toFixed(1)}, Redis ${redisCpuUsPerRow.toFixed(1)}`);
  console.log("\n   self   with Node's own and native code called from there");
  for (const { module, selfUs, totalUs } of summary.modules) {
    if (totalUs / options.rows >= 0.05) console.log(`${perRow(selfUs)} ${perRow(totalUs)}   ${module}`);
  }
  console.log("\n   self   function");
  for (const { name, selfUs } of summary.functions.slice(0, options.functions))
    console.log(`${perRow(selfUs)}   ${name}`);
}
