import { setTimeout as sleep } from "node:timers/promises";
import { terminalHints } from "../config/environment.ts";
import { hang, widthOf } from "./layout.ts";
import {
  batchLines,
  exitCodeOf,
  hasEnded,
  readBatch,
  readBatches,
  readTiers,
  type ServedBatch,
  type ServedTier,
  tierLines,
} from "./served-batch.ts";
import { openServerClient, type ServerClient, type ServerFlags } from "./server-client.ts";
import { onStopSignals } from "./stop-signals.ts";

export interface StatusFlags extends ServerFlags {
  readonly watch: boolean;
  readonly json: boolean;
}

/** What a look at the server has found. */
interface Look {
  readonly batches: readonly ServedBatch[];
  readonly tiers: readonly ServedTier[];
  /** Why all of them wait, if they do. */
  readonly waits: string | undefined;
  /** There is nothing more to watch. */
  readonly isOver: boolean;
}

const watchEveryMs = 1_000;

/**
 * `promptfleet status [ID]`: one batch, or all that have not ended; with the tiers and why they wait. `--watch` goes on
 * until the batch (all of them) has ended.
 */
export async function status(id: string | undefined, flags: StatusFlags): Promise<number> {
  const client = await openServerClient(flags);
  let batches: readonly ServedBatch[] = [];
  async function look(): Promise<Look> {
    batches =
      id === undefined ? (await readBatches(client)).filter((one) => !hasEnded(one)) : [await readBatch(client, id)];
    return { batches, ...(await readTiers(client)), isOver: batches.every(hasEnded) };
  }
  if (!flags.watch) {
    const found = await look();
    print(found, flags.json);
    return 0;
  }
  if (!(await watchBatches(client, flags.json, look))) return 130;
  return id === undefined ? 0 : endedCode(batches[0]!);
}

/** Says why a batch failed as a whole; returns its exit code. */
export function endedCode(batch: ServedBatch): number {
  for (const { message, line } of batch.errors?.data ?? [])
    process.stderr.write(`${line === null ? "" : `line ${line}: `}${message}\n`);
  return exitCodeOf(batch);
}

/** Shows what it finds until that is over, or Ctrl-C. @returns whether it is over. */
export async function watchBatches(client: ServerClient, json: boolean, look: () => Promise<Look>): Promise<boolean> {
  let isStopped = false;
  const stopped = Promise.withResolvers<void>();
  const stop = () => {
    isStopped = true;
    stopped.resolve();
  };
  const removeHandlers = onStopSignals(stop, stop);
  const onTerminal = !json && process.stdout.isTTY === true && !terminalHints().isDumb;
  let drawn = 0;
  let said = "";
  try {
    for (;;) {
      const found = await look();
      const lines = linesOf(found, json);
      const text = lines.join("\n");
      if (onTerminal) {
        if (drawn > 0) process.stdout.write(`\r\x1b[${drawn}A\x1b[J`);
        drawn = lines.length;
      }
      if (onTerminal || text !== said) process.stdout.write(`${text}\n`);
      said = text;
      if (found.isOver) return true;
      await Promise.race([sleep(watchEveryMs), stopped.promise]);
      if (isStopped) {
        process.stderr.write(`the batch goes on at ${client.url}\n`);
        return false;
      }
    }
  } finally {
    removeHandlers();
  }
}

function print(found: Look, json: boolean): void {
  process.stdout.write(`${linesOf(found, json).join("\n")}\n`);
}

function linesOf({ batches, tiers, waits }: Look, json: boolean): string[] {
  if (json) return [JSON.stringify({ batches, tiers, waits: waits ?? null })];
  const width = widthOf(process.stdout);
  const none = batches.length === 0 ? ["  no batch that has not ended"] : [];
  const all = waits === undefined ? [] : hang("  waits: ", waits, width);
  return [...batchLines(batches, width), ...none, ...tierLines(tiers, width), ...all];
}
