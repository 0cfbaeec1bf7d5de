import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { ConfigFile } from "../../src/config/schema.ts";
import { type Fleet, joinFleet } from "../../src/fleet.ts";
import { readRow } from "../../src/intake/parse-row.ts";
import type { ResultLine } from "../../src/job/result.ts";
import { openLiveBatch } from "../../src/live-batch.ts";
import { createOnlineCalls, type OnlineCaller, type OnlineEnd } from "../../src/online-call.ts";
import { createRowPlanner } from "../../src/plan-row.ts";
import { createRouter } from "../../src/routing/choose-model.ts";
import { givenFleetConfig } from "./given-config.ts";
import type { TestRedis } from "./redis-server.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/** A process of a fleet that serves online calls and works a batch beside them. */
export interface GivenOnline {
  readonly fleet: Fleet;
  readonly dataDirectory: string;
  ask(row: object, caller?: Partial<OnlineCaller>): Promise<OnlineEnd>;
  /** Rows of a batch; their results come when the test does not end before. */
  batch(rows: readonly object[]): Promise<Promise<ResultLine>[]>;
}

/** @param backends SIMULATED ones by the names of their tiers; the models are `on-TIER`. */
export async function givenOnline(
  server: TestRedis,
  backends: Readonly<Record<string, { readonly baseUrl: string }>>,
  more: Partial<ConfigFile> = {},
  { fleet: name = server.newFleetName(), servesOnline = true, worksQueues = true } = {},
): Promise<GivenOnline> {
  const dataDirectory = temporaryFolder();
  const config = givenFleetConfig(name, backends, more);
  const fleet = await joinFleet({
    config,
    redis: server.address,
    servesOnline,
    worksQueues,
    auditDirectory: join(dataDirectory, "audit"),
    ledgerDirectory: join(dataDirectory, "spend"),
    foreignJob: () => Promise.resolve({ kind: "finished" }),
  });
  const online = createOnlineCalls(fleet);
  const batches: Awaited<ReturnType<typeof openLiveBatch>>[] = [];
  onTestFinished(async () => {
    await fleet.leave(false);
    for (const batch of batches) batch.abandon();
    await fleet.close();
  });
  return {
    fleet,
    dataDirectory,
    ask: (row, { signal = new AbortController().signal, ...caller } = {}) =>
      online.ask(row as Record<string, unknown>, { signal, ...caller }),
    async batch(rows) {
      const plan = createRowPlanner(
        createRouter(config, () => ({ usable: true })),
        config,
        { noPrivateRows: undefined },
      );
      const batch = await openLiveBatch(fleet, (tier) => fleet.startPool(tier));
      batches.push(batch);
      return rows.map((fields, at) => {
        const read = readRow(fields as Record<string, unknown>, `r${at}`, { strict: false });
        if (!read.ok) throw new Error(read.message);
        const result = batch.enqueue(plan(read.row));
        result.catch(() => {});
        return result;
      });
    },
  };
}
