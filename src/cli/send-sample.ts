import { type PlanRunOptions, planRun } from "../plan-run.ts";
import { chooseSample } from "../routing/choose-sample.ts";
import type { FileRun } from "../run-file.ts";
import { startDisplay } from "./display.ts";
import { usd } from "./layout.ts";
import type { PartOfRun } from "./run.ts";
import { onStopSignals } from "./stop-signals.ts";

const lookEveryMs = 50;

/** A part of a run: so many rows spread over those that are left; the same ones of the same input. */
export function sampleOf(size: number): PartOfRun {
  let chosen: ReadonlySet<number> = new Set();
  let doneBefore = 0;
  return {
    async choose(options: PlanRunOptions) {
      const askable: number[] = [];
      const { done } = await planRun(options, (row) => askable.push(row));
      doneBefore = done.rows;
      chosen = chooseSample(askable, size, options.input.identity.sha256);
      return chosen;
    },
    /** Until they are answered. */
    async attend(fileRun: FileRun) {
      const display = startDisplay(fileRun, { json: false, stream: process.stderr });
      const atStart = costOf(fileRun);
      let exitCode = 0;
      const removeHandlers = onStopSignals(
        () => {
          exitCode = 130;
          fileRun.stopGently();
        },
        () => fileRun.stopNow(),
      );
      const answeredAll = setInterval(() => {
        const { answered, failed } = fileRun.snapshot().progress;
        if (answered + failed >= doneBefore + chosen.size) fileRun.stopGently();
      }, lookEveryMs);
      try {
        const { answered, failed } = await fileRun.finished;
        const sent = answered + failed - doneBefore;
        display.note(
          `sample: ${sent} of ${chosen.size} rows, ${usd(costOf(fileRun) - atStart)}; their answers are kept for run`,
        );
        return exitCode;
      } finally {
        clearInterval(answeredAll);
        display.stop();
        removeHandlers();
      }
    },
  };
}

const costOf = (fileRun: FileRun): number => fileRun.snapshot().progress.costUsd;
