import { UserError } from "../../src/job/errors.ts";
import type { BatchRecord } from "../../src/serve/batch-record.ts";
import type { Batches } from "../../src/serve/batches.ts";
import { boardRoutes } from "../../src/serve/board.ts";
import type { ServeContext } from "../../src/serve/context.ts";
import { givenBackend } from "../support/given-backend.ts";
import { givenFleetConfig } from "../support/given-config.ts";
import { type GivenRow, type GivenRun, startRun } from "../support/given-run.ts";
import type { TestRedis } from "../support/redis-server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { type Guarded, givenGuarded, type Reply, tokens } from "./given-guarded.ts";

export interface GivenBoard extends GivenRun {
  /** Rows that were asked again, as `BATCH-ROW`. */
  readonly retried: readonly string[];
  /** Why rows are not asked again from now on. */
  refuseRetries(reason: string): void;
  get(path: string, role?: keyof typeof tokens): Promise<Reply>;
  put(path: string, role?: keyof typeof tokens): Promise<Reply>;
  queue(name: string, status?: string): Promise<BoardQueue>;
  readonly guarded: Guarded;
}

export interface BoardQueue {
  readonly name: string;
  readonly readOnlyMode: boolean;
  readonly isPaused: boolean;
  readonly description?: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly jobs: readonly { id: string; name: string; data: Record<string, unknown>; failedReason: string }[];
}

/** Bull Board over a fleet that runs a batch; rows named `bad…` are rejected by the SIMULATED backend. */
export async function givenBoard(
  server: TestRedis,
  rows: readonly GivenRow[],
  backendOptions: Parameters<typeof givenBackend>[0] = {},
): Promise<GivenBoard> {
  const backend = await givenBackend({
    fault: ({ key }) =>
      key.startsWith("bad")
        ? { kind: "status", status: 400, body: '{"error":{"message":"I will not do bad1"}}' }
        : undefined,
    ...backendOptions,
  });
  const config = givenFleetConfig(server.newFleetName(), { lab: { baseUrl: backend.baseUrl } });
  const run = await startRun({ server, config, folder: temporaryFolder(), rows, batchId: "batch_1" });
  const retried: string[] = [];
  let refused: string | undefined;
  const batches: Pick<Batches, "get" | "retryRow"> = {
    get: (id) => (id === "batch_1" ? ({ id } as BatchRecord) : undefined),
    async retryRow(id, row) {
      if (refused !== undefined) throw new UserError(refused);
      retried.push(`${id}-${row}`);
    },
  };
  const context = { config, fleet: run.fleet, batches } as ServeContext;
  const guarded = await givenGuarded({ routes: boardRoutes(context) });
  const ask = (method: string, path: string, role: keyof typeof tokens) =>
    guarded.ask(method, `/queues${path}`, { headers: { "x-api-key": tokens[role] } });
  return {
    ...run,
    guarded,
    retried,
    refuseRetries: (reason) => {
      refused = reason;
    },
    get: (path, role = "admin") => ask("GET", path, role),
    put: (path, role = "admin") => ask("PUT", path, role),
    async queue(name, status = "latest") {
      const { text } = await ask(
        "GET",
        `/api/queues?activeQueue=${name}&status=${status}&page=1&jobsPerPage=50`,
        "admin",
      );
      return (JSON.parse(text).queues as BoardQueue[]).find((queue) => queue.name === name)!;
    },
  };
}
