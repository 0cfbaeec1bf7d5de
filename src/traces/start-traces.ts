import { tracesSettings } from "../config/environment.ts";
import type { Traces } from "./traces.ts";

/** Undefined unless the environment names a collector; only then the packages are loaded. */
export async function startTraces(fleet: string): Promise<Traces | undefined> {
  const settings = tracesSettings();
  if (settings === undefined) return undefined;
  const { openTraces } = await import("./open-traces.ts");
  return openTraces(settings, fleet);
}
