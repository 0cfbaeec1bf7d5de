import { setTimeout as sleep } from "node:timers/promises";
import { Router } from "express";
import type { ServeContext } from "./context.ts";
import { createFleetLook, type TierState } from "./fleet-snapshot.ts";
import { HttpError } from "./http-error.ts";

/** Redis is away when it does not answer for so long. */
const patienceMs = 1_500;

/** `/v1/tiers`: what each tier is at, over the whole fleet; and its queue paused and resumed, for the whole fleet. */
export function tierRoutes({ fleet }: Pick<ServeContext, "fleet">): Router {
  const look = createFleetLook(fleet);

  /** Undefined while Redis does not answer. */
  async function readTiers(): Promise<readonly TierState[] | undefined> {
    if (fleet.redis.status !== "ready") return undefined;
    const reading = look.read().catch(() => undefined);
    return (await Promise.race([reading, sleep(patienceMs, undefined, { ref: false })]))?.tiers;
  }

  // What held things up before may be over by now, for all that is known.
  const silence = () => (fleet.redis.status === "ready" ? "Redis does not answer" : "Redis is not reachable");

  async function tierOf(name: string): Promise<TierState> {
    const tiers = await readTiers();
    if (tiers === undefined) throw new HttpError(503, `${silence()}: try again once it is back`);
    const found = tiers.find(({ tier }) => tier === name);
    if (found !== undefined) return found;
    const known = tiers.map(({ tier }) => tier).join(", ");
    throw new HttpError(404, `there is no tier ${name.slice(0, 100)}; there are ${known}`, { code: "tier_not_found" });
  }

  const router = Router();
  router.get("/v1/tiers", async (_request, response) => {
    const tiers = await readTiers();
    const waits = tiers === undefined ? silence() : (fleet.redisTrouble() ?? null);
    response.json({ object: "list", data: (tiers ?? []).map(tierObject), waits });
  });
  for (const action of ["pause", "resume"] as const) {
    router.post(`/v1/tiers/:name/${action}`, async (request, response) => {
      const { tier } = await tierOf(request.params.name!);
      const queue = fleet.queues.of(tier);
      await (action === "pause" ? queue.pause() : queue.resume());
      response.json(tierObject(await tierOf(tier)));
    });
  }
  return router;
}

function tierObject({ tier, running, slots, waiting, processes, isPaused, reasons }: TierState) {
  return { object: "tier", tier, running, slots, waiting, processes, paused: isPaused, reasons };
}
