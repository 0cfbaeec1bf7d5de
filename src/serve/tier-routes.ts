import { Router } from "express";
import type { ServeContext } from "./context.ts";
import { createFleetLook, type TierState } from "./fleet-snapshot.ts";
import { HttpError } from "./http-error.ts";

/** `/v1/tiers`: what each tier is at, over the whole fleet; and its queue paused and resumed, for the whole fleet. */
export function tierRoutes({ fleet }: Pick<ServeContext, "fleet">): Router {
  const look = createFleetLook(fleet);

  async function readTiers(): Promise<readonly TierState[]> {
    const trouble = fleet.redisTrouble();
    if (trouble !== undefined) throw new HttpError(503, `${trouble}: try again once it is back`);
    return (await look.read()).tiers;
  }

  async function tierOf(name: string): Promise<TierState> {
    const tiers = await readTiers();
    const found = tiers.find(({ tier }) => tier === name);
    if (found !== undefined) return found;
    const known = tiers.map(({ tier }) => tier).join(", ");
    throw new HttpError(404, `there is no tier ${name.slice(0, 100)}; there are ${known}`, { code: "tier_not_found" });
  }

  const router = Router();
  router.get("/v1/tiers", async (_request, response) => {
    response.json({ object: "list", data: (await readTiers()).map(tierObject) });
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
