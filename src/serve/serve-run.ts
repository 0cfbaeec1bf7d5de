import { createServer } from "node:http";
import type { Express } from "express";
import { messageOf, UserError } from "../job/errors.ts";
import type { FileRun } from "../run-file.ts";
import { createAccess } from "./access.ts";
import { createRunApp } from "./app.ts";
import { serverOptions } from "./bodies.ts";
import type { ServeContext } from "./context.ts";
import { listen } from "./listen.ts";
import { runAsBatch, type ShownRun } from "./run-as-batch.ts";

export interface RunPages {
  readonly url: string;
  /** Shows this run from now on. */
  show(run: FileRun, about: Omit<ShownRun, "snapshot">): void;
  close(): void;
}

export const usualPort = 8_700;

/**
 * The pages of a run: dashboard and board, on loopback only.
 * @param port undefined: the usual one, or any that is free when somebody else has that.
 */
export async function openRunPages(port: number | undefined): Promise<RunPages> {
  let app: Express | undefined;
  let closeBatch = (): void => {};
  const http = createServer(serverOptions, (request, response) => {
    if (app !== undefined) app(request, response);
    else response.writeHead(503, { "Retry-After": "1" }).end("the run has not begun yet\n");
  });
  const host = "127.0.0.1";
  const url = await listen(http, { host, port: port ?? usualPort }, "choose another port").catch((error) => {
    if (port === undefined) return listen(http, { host, port: 0 }, "free a port");
    throw new UserError(`--serve: ${messageOf(error)}`);
  });
  http.unref();
  return {
    url,
    show(run, about) {
      const { fleet } = run;
      const { batches, files, close } = runAsBatch({ ...about, snapshot: () => run.snapshot() });
      closeBatch = close;
      const context: ServeContext = {
        config: fleet.config,
        fleet,
        access: createAccess([]),
        files,
        batches,
        directory: "",
      };
      app = createRunApp(context);
    },
    close() {
      closeBatch();
      http.close();
      http.closeAllConnections();
    },
  };
}
