import type { Fleet } from "./fleet.ts";
import { formOfBody } from "./intake/body-form.ts";
import { type ParsedRow, readRow } from "./intake/parse-row.ts";
import { failedWithoutCall } from "./job/result.ts";
import { createRowPlanner, type UnusableRow } from "./plan-row.ts";
import type { OnlineEnd } from "./pool/online-end.ts";
import { createRouter } from "./routing/choose-model.ts";
import { tierUsability } from "./routing/usable-tier.ts";

export type { OnlineEnd } from "./pool/online-end.ts";

/** Who waits for an answer. */
export interface OnlineCaller {
  /** To be aborted when the caller leaves: that ends the call at the backend. */
  readonly signal: AbortSignal;
  /**
   * Told of the answer's text as it comes. Where a backend cannot do that, or the answer must fit a form first, it is told
   * the whole text at once. When the end is not `answered`, what was told before is all there is.
   */
  readonly onText?: (delta: string) => void;
}

/**
 * Rows that somebody waits for: asked at once, in no queue and no batch.
 *
 * ```ts
 * const online = createOnlineCalls(fleet, { imageFolder: process.cwd() });
 * const { kind, result } = await online.ask({ task: "simple", prompt: "…" }, { signal, onText: print });
 * ```
 * `ask` never rejects. It takes what a line of an input may be (a flat row, or OpenAI's `{custom_id, method, url, body}`
 * with `task` and `private` beside) and goes the way of such rows: the same reading, routing, privacy and audit, the same
 * limits, slots and budgets of the day. It goes along the route at once where a row of a batch would wait, and says by
 * `kind` why there is no answer. Several asks may run at once. Pools of tiers are started as they are needed and work
 * their queues too, as `fleet.startPool` does; `fleet.leave(false)` ends calls in flight, `fleet.close()` settles them.
 */
export interface OnlineCalls {
  ask(fields: Readonly<Record<string, unknown>>, caller: OnlineCaller): Promise<OnlineEnd>;
}

/** @param options.imageFolder where paths of images begin; without it no file is read for a row. */
export function createOnlineCalls(fleet: Fleet, options: { readonly imageFolder?: string } = {}): OnlineCalls {
  const { config, latencies, noPrivateRows } = fleet;
  const router = createRouter(config, tierUsability(config, fleet.hasAdapter), {}, latencies);
  // Who waits gets one answer: the route of a task that votes is for this.
  const plan = createRowPlanner(router, config, { noPrivateRows, ruleOf: () => undefined });
  let asked = 0;

  return {
    async ask(fields, { signal, onText }) {
      const parsed = withForm(readRow(fields, `online-${++asked}`, { ...options, strict: false }), fields);
      if (!parsed.ok) return refused({ ...parsed, code: "invalid_row" });
      if (parsed.row.consensus !== undefined) {
        const message = "consensus: expected a row for one model, as it is asked at once; put it into a batch";
        return refused({ id: parsed.row.id, code: "invalid_row", message });
      }
      const planned = plan(parsed.row);
      if (!planned.ok) return refused(planned);
      return fleet.askOnline({ payload: planned.row.payload, signal, onText });
    },
  };
}

function refused(row: UnusableRow): OnlineEnd {
  return { kind: "failed", result: failedWithoutCall(0, row.id, null, row, row.metadata) };
}

/** The schema of an OpenAI body is the form of its answer: so it holds at backends of another dialect, and is checked. */
function withForm(parsed: ParsedRow, { body }: Readonly<Record<string, unknown>>): ParsedRow {
  const answerForm = parsed.ok && parsed.format === "openai" ? formOfBody(body as object) : undefined;
  if (answerForm === undefined || !parsed.ok) return parsed;
  if (typeof answerForm === "string") return { ok: false, id: parsed.row.id, message: answerForm };
  return { ...parsed, row: { ...parsed.row, request: { ...parsed.row.request, answerForm } } };
}
