import { adapters } from "../../../workers/index.ts";
import type { Config } from "../../config/config.ts";
import type { Fleet } from "../../fleet.ts";
import { tierUsability } from "../../routing/usable-tier.ts";
import type { Batches } from "../batches.ts";
import type { ServeContext } from "../context.ts";
import { createServedLines, type ServedLines } from "../served-lines.ts";

/** What the tools work with once a fleet is joined. */
export interface McpFleet {
  readonly fleet: Fleet;
  readonly batches: Batches;
  readonly lines: ServedLines;
  /** This process works the tiers that are asked. */
  readonly withPools: boolean;
}

export interface McpContext {
  readonly config: Config;
  /** Joins the fleet when it is first needed: an assistant starts the program in every session, used or not. */
  open(): Promise<McpFleet>;
}

/** The tools of a server whose fleet is joined already. */
export function contextOfServer({ config, fleet, batches }: ServeContext): McpContext {
  const withPools = fleet.pools().length > 0;
  const opened = { fleet, batches, lines: linesOf(config, fleet, withPools), withPools };
  return { config, open: async () => opened };
}

export function linesOf(config: Config, fleet: Fleet, withPools: boolean): ServedLines {
  const usable = withPools
    ? tierUsability(config, (provider) => Object.hasOwn(adapters, provider))
    : () => ({ usable: true }) as const;
  return createServedLines(config, usable, fleet.latencies, fleet.noPrivateRows);
}
