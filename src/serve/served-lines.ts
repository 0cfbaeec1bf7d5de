import type { Config } from "../config/config.ts";
import { readConsensusText } from "../config/consensus-rule.ts";
import { createRowParser } from "../intake/parse-row.ts";
import type { ConsensusRule } from "../job/consensus.ts";
import type { Latencies } from "../job/latency.ts";
import type { PromptRow } from "../job/row.ts";
import { routesOfRow } from "../list-routes.ts";
import { createRowPlanner, type PlannedRow } from "../plan-row.ts";
import { possibleTiers } from "../prepare-lines.ts";
import { createLineReader, type LineReader } from "../read-lines.ts";
import { createRouter } from "../routing/choose-model.ts";
import { createRuleFinder, type VotedRow } from "../routing/expand-votes.ts";
import type { TierUsability } from "../routing/usable-tier.ts";
import type { BatchRecord } from "./batch-record.ts";

/** Who reads and routes the rows of all batches of a server. */
export interface ServedLines {
  /** A row that did not come in a batch. */
  readonly plan: (row: PromptRow) => PlannedRow;
  /** The lines of a batch; its metadata say what holds for all of them. */
  of(metadata: BatchRecord["metadata"]): LineReader;
}

/** Of private rows fewer models may be asked. */
const publicAndPrivate = [{ private: false }, { private: true }];

export function createServedLines(
  config: Config,
  usable: (tierName: string) => TierUsability,
  latencies: Latencies,
  noPrivateRows: string | undefined,
): ServedLines {
  const route = createRouter(config, usable, {}, latencies);
  const plan = createRowPlanner(route, config, { noPrivateRows });
  // No folder for images: a client's path is nothing on this machine.
  const parse = createRowParser({ strict: false, kind: "rows" });
  const tiers = possibleTiers(config, route);
  const ruleOf = createRuleFinder(config);
  const routes = (row: VotedRow) => routesOfRow(row, route, ruleOf);
  return {
    plan,
    of({ task, private: isPrivate, consensus: given }) {
      const rule = ruleIn(given);
      const ofBatch = <Row extends VotedRow>(row: Row): Row => ({
        ...row,
        ...(row.task === undefined && task !== undefined ? { task } : {}),
        ...(row.consensus === undefined && rule !== undefined ? { consensus: rule } : {}),
        private: row.private || isPrivate === "true",
      });
      return createLineReader(
        {
          parse,
          route,
          routes: (row) => routes(ofBatch(row)),
          plan: (row) => plan(ofBatch(row)),
          format: "openai",
        },
        rule === undefined ? tiers : possibleTiers(config, route, publicAndPrivate, () => ({ rule, task })),
      );
    },
  };
}

/** Batches that were taken before this said something to the program may say anything else by it. */
function ruleIn(text: string | undefined): ConsensusRule | undefined {
  const rule = text === undefined ? undefined : readConsensusText(text);
  return typeof rule === "string" ? undefined : rule;
}
