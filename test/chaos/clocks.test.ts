import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { type Arena, openArena } from "../../scripts/chaos/arena.ts";
import { afterTests } from "../support/clean-up.ts";
import { assertEachRowOnce } from "../support/laws.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const program = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));
const hourMs = 3_600_000;

async function given(rows: number, latencyMs: number): Promise<Arena> {
  const directory = join(temporaryFolder(), "arena");
  const arena = await openArena({ program, directory, rows, concurrency: 8, latencyMs });
  afterTests(arena.close);
  return arena;
}

/** Real processes with wall clocks of their own (those of the language, not of the system), on a SIMULATED backend. */
describe.concurrent("clocks that are set in the middle of a run", () => {
  it("back by an hour, while rows wait for a time by it: they are asked seconds later", async () => {
    const arena = await given(60, 5);
    const pool = await arena.startPool();
    arena.backend.setBehaviour({ fault: { kind: "status", status: 429, headers: { "retry-after": "4" } } });
    const owner = arena.startOwner();
    await until("calls that are told to wait", () => arena.backend.requests() >= 8);
    const { wait, active, delayed } = arena.names.queue("lab");
    await until("all jobs to be put off", async () => {
      const { client } = arena.redis;
      const others = (await client.llen(wait)) + (await client.llen(active));
      return others === 0 && (await client.zcard(delayed)) > 0;
    });
    pool.process.setClock(-hourMs);
    arena.backend.setBehaviour({ fault: undefined });
    expect(await owner.ended).toBe(0);
    await assertEachRowOnce(arena.output, 60);
  }, 60_000);

  it.each([hourMs, -hourMs])(
    "the owner's, by %i ms: it collects and feeds on",
    async (stepMs) => {
      const arena = await given(3_000, 5);
      await arena.startPool();
      const owner = arena.startOwner();
      await until("answers", () => arena.backend.requests() > 500);
      owner.setClock(stepMs);
      expect(await owner.ended).toBe(0);
      await assertEachRowOnce(arena.output, 3_000);
      expect(arena.backend.requests()).toBe(3_000);
    },
    60_000,
  );

  it("pools that are an hour apart from the beginning share the work, and ask nothing twice", async () => {
    const arena = await given(2_000, 20);
    for (const aheadMs of [hourMs, -hourMs]) (await arena.startPool()).process.setClock(aheadMs);
    expect(await arena.startOwner().ended).toBe(0);
    await assertEachRowOnce(arena.output, 2_000);
    expect(arena.backend.requests()).toBe(2_000);
  }, 60_000);
});
