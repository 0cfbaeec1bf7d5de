import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { givenProject, summaryOf } from "../support/cli.ts";
import { assertEachResultOnce, unsettled } from "../support/laws.ts";
import { seededRandom } from "../support/simulated-answers.ts";
import { until } from "../support/until.ts";

const rowCount = 5_000;
const kills = 3;
const concurrency = 32;

describe("a run that is killed three times and started again each time", () => {
  it.each([1, 2])(
    "has each row once, in input order, and asks no more than it had in flight again (seed %i)",
    async (seed) => {
      const project = await givenProject({ rows: rowCount, concurrency, backend: { latencyMs: 10, sigma: 0.5 } });
      const { backend, output } = project;
      const random = seededRandom(seed);
      const moments = Array.from({ length: kills }, () => Math.floor(random() * (rowCount - 500))).sort(
        (a, b) => a - b,
      );
      for (const moment of moments) {
        const run = project.start(["run", project.input, "-o", output]);
        await until(`request ${moment}`, () => backend.requests() > moment, 20_000);
        process.kill(run.pid, "SIGKILL");
        expect((await run.ended).code).toBe("SIGKILL");
        expect(existsSync(output)).toBe(false);
      }
      const ended = await project.run("--json");
      expect(ended.stderr).not.toMatch(/error in promptfleet/);
      expect(ended.code).toBe(0);
      const results = assertEachResultOnce(output, rowCount);
      expect(results.filter(({ id, index }) => id !== `r${index}`)).toEqual([]);
      expect(results.filter(({ text, id }) => text !== `answer to ${id}`)).toEqual([]);
      const askedTwice = backend.requests() - rowCount;
      expect(askedTwice).toBeLessThanOrEqual(kills * unsettled(concurrency));
      expect(backend.countsByKey.size).toBe(rowCount);
      expect(summaryOf(ended)).toMatchObject({ rows: rowCount, answered: rowCount, failed: 0 });
      expect(summaryOf(ended).asked_again).toBeGreaterThanOrEqual(askedTwice);
      expect(summaryOf(ended).asked_again).toBeLessThanOrEqual(kills * unsettled(concurrency));
    },
  );
});
