import { joinFleet } from "../../src/fleet.ts";
import { givenFleetConfig } from "./given-config.ts";
import type { PoolOrder } from "./pool-process.ts";

process.once("message", async ({ socketPath, fleet: fleetName, backends }: PoolOrder) => {
  const fleet = await joinFleet({
    config: givenFleetConfig(fleetName, backends),
    redis: { socketPath },
    foreignJob: async () => ({ value: null }),
  });
  for (const tier of Object.keys(backends)) await fleet.startPool(tier);
  process.send?.("ready");
});
