import { terminalHints } from "../config/environment.ts";
import { createRate } from "../job/rate.ts";
import type { LastFailure } from "../results/progress.ts";
import type { FileRun } from "../run-file.ts";
import type { RunSnapshot, RunSummary } from "../run-report.ts";
import { count, usd } from "./layout.ts";

export interface Display {
  /** A line of its own, above what is redrawn. */
  note(line: string): void;
  end(summary: RunSummary): void;
  stop(): void;
}

const redrawEveryMs = 250;
const plainLineEveryMs = 5_000;
/** The rate is measured over about this long. */
const rateWindowMs = 10_000;

/** Shows a run: redrawn lines on a terminal, a plain line every few seconds elsewhere, JSON lines with `--json`. */
export function startDisplay(
  run: Pick<FileRun, "snapshot">,
  { json, stream }: { readonly json: boolean; readonly stream: NodeJS.WriteStream },
): Display {
  const hints = terminalHints();
  const onTerminal = stream.isTTY === true && !hints.isDumb && !json;
  const rate = createRate(rateWindowMs);
  const startedMs = performance.now();
  let drawnLines = 0;
  let stopped = false;

  function erase(): void {
    if (drawnLines > 0) stream.write(`\r\x1b[${drawnLines}A\x1b[J`);
    drawnLines = 0;
  }

  const warned = new Set<string>();

  function warn({ warnings }: RunSnapshot): void {
    for (const warning of warnings) {
      if (warned.has(warning)) continue;
      warned.add(warning);
      erase();
      stream.write(`${warning}\n`);
    }
  }

  function draw(): void {
    if (stopped) return;
    const snapshot = run.snapshot();
    warn(snapshot);
    rate.add(snapshot.progress.answered + snapshot.progress.failed, performance.now());
    if (onTerminal) {
      const width = Math.max(20, (stream.columns ?? 80) - 1);
      const lines = terminalLines(snapshot, rate.perSecond(), performance.now() - startedMs).map((line) =>
        cut(line, width),
      );
      erase();
      stream.write(`${lines.join("\n")}\n`);
      drawnLines = lines.length;
    } else if (json) {
      process.stdout.write(`${JSON.stringify(jsonProgress(snapshot, rate.perSecond()))}\n`);
    } else {
      const waits = snapshot.tiers.flatMap(({ tier, reason }) =>
        reason === undefined ? [] : [`${tier} waits: ${reason}`],
      );
      if (snapshot.reason !== undefined) waits.push(`waits: ${snapshot.reason}`);
      stream.write(`${[summaryLine(snapshot, rate.perSecond()), ...waits].join(" · ")}\n`);
    }
  }

  const atStart = run.snapshot().progress;
  rate.add(atStart.answered + atStart.failed, performance.now());
  const timer = setInterval(draw, onTerminal ? redrawEveryMs : plainLineEveryMs);
  return {
    note(line) {
      erase();
      stream.write(`${line}\n`);
    },
    end(summary) {
      stopped = true;
      clearInterval(timer);
      erase();
      warn(run.snapshot());
      if (!json)
        stream.write(
          endLines(summary, run.snapshot())
            .map((line) => `${line}\n`)
            .join(""),
        );
    },
    stop() {
      stopped = true;
      clearInterval(timer);
    },
  };
}

function terminalLines(snapshot: RunSnapshot, perSecond: number, elapsedMs: number): string[] {
  const { progress, rowsSeen, sawAllRows } = snapshot;
  const done = progress.answered + progress.failed;
  const share = sawAllRows && rowsSeen > 0 ? done / rowsSeen : undefined;
  const lines = [`${bar(share)} ${summaryLine(snapshot, perSecond)} · ${duration(elapsedMs)}`];
  for (const { tier, running, slots, waiting, reason } of snapshot.tiers) {
    lines.push(`  ${tier.padEnd(12)} ${count(running)} of ${count(slots)} running · ${count(waiting)} waiting`);
    if (reason !== undefined) lines.push(`    waits: ${reason}`);
  }
  if (snapshot.reason !== undefined) lines.push(`  waits: ${snapshot.reason}`);
  const lastFailure = progress.lastFailures.at(-1);
  if (lastFailure !== undefined) lines.push(`  last failure: ${failureText(lastFailure)}`);
  return lines;
}

function summaryLine({ progress, rowsSeen, sawAllRows }: RunSnapshot, perSecond: number): string {
  const done = progress.answered + progress.failed;
  const left = rowsSeen - done;
  const parts = [
    `${count(done)}/${sawAllRows ? "" : "≥"}${count(rowsSeen)} rows`,
    ...(progress.failed > 0 ? [`${count(progress.failed)} failed`] : []),
    `${perSecond < 10 ? perSecond.toFixed(1) : count(Math.round(perSecond))} rows/s`,
    `${count(progress.inputTokens + progress.outputTokens)} tokens`,
    usd(progress.costUsd),
  ];
  if (sawAllRows && left > 0 && perSecond > 0) parts.push(`${duration((left / perSecond) * 1_000)} left`);
  return parts.join(" · ");
}

const endWords: Readonly<Record<RunSummary["state"], string>> = {
  finished: "finished",
  interrupted: "stopped, resumable with the same command",
  budget_spent: "the budget is spent; what is left can be resumed with a larger --budget",
};

function endLines(summary: RunSummary, { progress }: RunSnapshot): string[] {
  const tokens = progress.inputTokens + progress.outputTokens;
  const lines = [
    `${endWords[summary.state]}: ${count(summary.answered)} answered, ${count(summary.failed)} failed of ${count(summary.rows)} rows in ${duration(summary.wall_s * 1_000)} · ${count(tokens)} tokens · ${usd(summary.cost_usd)}`,
  ];
  for (const [model, counts] of progress.byModel) {
    lines.push(
      `  ${model}: ${count(counts.answered)} answered, ${count(counts.failed)} failed, ${count(counts.inputTokens + counts.outputTokens)} tokens, ${usd(counts.costUsd)}`,
    );
  }
  for (const [code, times] of progress.failures) lines.push(`  ${code}: ${count(times)}`);
  if (summary.failed > 0) lines.push(...progress.lastFailures.map((failure) => `    ${failureText(failure)}`));
  if (summary.asked_again > 0)
    lines.push(`  asked again, as nobody knows how their calls ended: ${count(summary.asked_again)}`);
  if (summary.budget_usd !== undefined) {
    const unconfirmed = summary.unconfirmed_usd ?? 0;
    const unknown = unconfirmed > 0 ? `, of that ${usd(unconfirmed)} unconfirmed: calls whose end nobody knows` : "";
    const spent = summary.spent_usd ?? 0;
    const rest =
      summary.state === "budget_spent" && spent < summary.budget_usd
        ? "; the next call could cost more than the rest"
        : "";
    lines.push(`  spent: ${usd(spent)} of ${usd(summary.budget_usd)}${rest}${unknown}`);
  }
  if (summary.state === "finished" && summary.output !== "-") lines.push(`  answers: ${summary.output}`);
  return lines;
}

function jsonProgress({ progress, rowsSeen, sawAllRows, tiers, reason }: RunSnapshot, perSecond: number) {
  return {
    progress: {
      answered: progress.answered,
      failed: progress.failed,
      rows_seen: rowsSeen,
      saw_all_rows: sawAllRows,
      rows_per_s: Math.round(perSecond * 10) / 10,
      cost_usd: progress.costUsd,
      tiers,
      ...(reason === undefined ? {} : { waits: reason }),
    },
  };
}

const failureText = ({ id, code, message }: LastFailure): string => `row ${id}: ${code}: ${message}`;

function bar(share: number | undefined): string {
  const width = 20;
  const full = share === undefined ? 0 : Math.round(share * width);
  return `[${"█".repeat(full)}${"·".repeat(width - full)}]${share === undefined ? "" : ` ${Math.floor(share * 100)}%`}`;
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
}

function cut(line: string, width: number): string {
  return line.length <= width ? line : `${line.slice(0, width - 1)}…`;
}
