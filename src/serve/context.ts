import type { Config } from "../config/config.ts";
import type { Fleet } from "../fleet.ts";
import type { Access } from "./access.ts";
import type { Batches } from "./batches.ts";
import type { Files } from "./files.ts";

/** What the routes of the server work with. */
export interface ServeContext {
  readonly config: Config;
  readonly fleet: Fleet;
  /** Made by `readAccess`. */
  readonly access: Access;
  readonly files: Files;
  readonly batches: Batches;
  /** `DATA_DIR/serve`. */
  readonly directory: string;
}
