import type { Fleet } from "../fleet.ts";
import type { JobLabels } from "../job/batch.ts";
import { redisScript } from "../queue/redis-script.ts";
import type { RowFacts } from "./shown-job.ts";

/** What is known of the rows of these jobs, in their order; undefined for a row that is no longer in the window. */
export type ReadRowFacts = (jobs: readonly (JobLabels | undefined)[]) => Promise<(RowFacts | undefined)[]>;

export function createRowFacts({ redis, names }: Pick<Fleet, "redis" | "names">): ReadRowFacts {
  const script = redisScript(redis, new URL("./row-heads.lua", import.meta.url), 2);
  return async (jobs) => {
    const batches = Map.groupBy(
      jobs.flatMap((labels, at) => (labels === undefined ? [] : [{ at, labels }])),
      ({ labels }) => labels.batch,
    );
    const facts: (RowFacts | undefined)[] = jobs.map(() => undefined);
    await Promise.all(
      [...batches].map(async ([batch, ofBatch]) => {
        const keys = names.batch(batch);
        const rows = ofBatch.map(({ labels }) => labels.row);
        const reply = (await script([keys.payloads, keys.moves], rows)) as string[];
        ofBatch.forEach(({ at }, order) => {
          facts[at] = factsOf(reply[2 * order]!, reply[2 * order + 1]!);
        });
      }),
    );
    return facts;
  };
}

/** The payload's fields come in the order of RowPayload, the id and its privacy before any text of the row. */
function factsOf(head: string, moves: string): RowFacts | undefined {
  const [, id, isPrivate] =
    /^\{(?:"weight":\[[^\]]*\],)?"id":("(?:[^"\\]|\\.)*").*?,"private":(true|false)/s.exec(head) ?? [];
  if (id === undefined) return undefined;
  return {
    id: isPrivate === "true" ? undefined : (JSON.parse(id) as string),
    isPrivate: isPrivate === "true",
    attempts: Number(moves.split(":")[1] ?? 0),
  };
}
