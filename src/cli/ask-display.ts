import { terminalHints } from "../config/environment.ts";
import type { ResultLine } from "../job/result.ts";
import { blockOf, columnsOf, forTerminal, type ShownAnswer } from "./answer-columns.ts";
import { count, usd } from "./layout.ts";

/** Shows answers of several models as they come. */
export interface AskDisplay {
  /** Why a model waits, or undefined when it waits no more. */
  wait(alias: string, reason: string | undefined): void;
  show(alias: string, result: ResultLine): void;
  /** Leaves all answers on the screen. */
  end(): void;
}

interface Streams {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

const redrawEveryMs = 250;

/** Columns that are redrawn on a terminal wide enough for them, else one block below the other, in order of arrival. */
export function startAskDisplay(aliases: readonly string[], { stdout, stderr }: Streams): AskDisplay {
  const isTerminal = stdout.isTTY === true && !terminalHints().isDumb;
  const startedMs = performance.now();
  const results = new Map<string, ResultLine>();
  const waits = new Map<string, string>();
  const screen = createScreen(stdout);

  let isOver = false;
  const waitOf = (alias: string): string => {
    if (isOver) return "its answer was not needed";
    return waits.get(alias) ?? `${Math.round((performance.now() - startedMs) / 1_000)} s …`;
  };
  const shownOf = (alias: string): ShownAnswer => {
    const result = results.get(alias);
    if (result === undefined) return { alias, text: undefined, about: waitOf(alias) };
    return { alias, text: textOf(result), about: figuresOf(result) };
  };
  const columns = () => columnsOf(aliases.map(shownOf), (stdout.columns ?? 80) - 1);
  const inColumns = isTerminal && columns() !== undefined;

  function block(alias: string): string {
    const shown = shownOf(alias);
    const text = shown.text !== undefined && isTerminal ? forTerminal(shown.text) : shown.text;
    return `${blockOf({ ...shown, text }).join("\n")}\n`;
  }

  function redraw(): void {
    if (inColumns) {
      const lines = columns() ?? [];
      // What has scrolled off a screen cannot be drawn again: the whole comes at the end.
      const room = (stdout.rows ?? 24) - 2;
      screen.draw(lines.length <= room ? lines : [...lines.slice(0, room - 1), "…"]);
    } else if (isTerminal) {
      const asked = aliases.filter((alias) => !results.has(alias));
      screen.draw(asked.map((alias) => forTerminal(`${alias}: ${shownOf(alias).about}`)));
    }
  }

  const timer = isTerminal ? setInterval(redraw, redrawEveryMs) : undefined;
  return {
    wait(alias, reason) {
      if (reason === undefined) waits.delete(alias);
      else waits.set(alias, `waits: ${reason}`);
      if (!isTerminal && reason !== undefined) stderr.write(`${alias} waits: ${reason}\n`);
    },
    show(alias, result) {
      results.set(alias, result);
      if (!inColumns) {
        screen.draw([]);
        stdout.write(block(alias));
      }
      redraw();
    },
    end() {
      isOver = true;
      clearInterval(timer);
      screen.draw([]);
      if (inColumns) stdout.write(columns()?.concat("", "").join("\n") ?? aliases.map(block).join(""));
    },
  };
}

/** Lines that are drawn over those drawn before. */
function createScreen(stream: NodeJS.WriteStream): { draw(lines: readonly string[]): void } {
  let drawn = 0;
  return {
    draw(lines) {
      if (drawn > 0) stream.write(`\x1b[${drawn}A\x1b[J`);
      const width = (stream.columns ?? 80) - 1;
      if (lines.length > 0) stream.write(`${lines.map((line) => line.slice(0, width)).join("\n")}\n`);
      drawn = lines.length;
    },
  };
}

/** The answer, or why there is none. */
function textOf({ text, error }: ResultLine): string {
  return [error?.message, text].filter((part) => part !== undefined && part !== null).join("\n\n");
}

/** How long it took and what it cost. */
export function figuresOf({ latency_ms, usage, cost_usd, error }: ResultLine): string {
  const took = `${(latency_ms / 1_000).toFixed(latency_ms < 10_000 ? 2 : 1)} s`;
  const tokens = usage.input_tokens + usage.output_tokens;
  const paid = `${count(usage.input_tokens)} in, ${count(usage.output_tokens)} out · ${usd(cost_usd)}`;
  if (error === null) return `${took} · ${paid}`;
  return `failed after ${took}: ${error.code}${tokens > 0 ? ` · ${paid}` : ""}`;
}
