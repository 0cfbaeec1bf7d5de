import { expect, it } from "vitest";
import { createBatchSignals } from "../../src/pool/batch-signals.ts";

it("aborts the calls in flight of one batch, and neither those of another nor later ones", () => {
  const signals = createBatchSignals();
  const [first, second, other] = [signals.enter("a"), signals.enter("a"), signals.enter("b")];
  signals.abort("a");
  const later = signals.enter("a");
  expect([first, second, other, later].map(({ aborted }) => aborted)).toEqual([true, true, false, false]);
});

it("aborts all", () => {
  const signals = createBatchSignals();
  const inFlight = [signals.enter("a"), signals.enter("b")];
  signals.abort();
  expect(inFlight.every(({ aborted }) => aborted)).toBe(true);
});

it("keeps a batch that has calls in flight, also when aborted ones end after later ones began", () => {
  const signals = createBatchSignals();
  const aborted = signals.enter("a");
  signals.abort("a");
  const later = signals.enter("a");
  signals.leave("a", aborted);
  expect(signals.enter("a")).toBe(later);
});

it("forgets a batch whose calls have all ended", () => {
  const signals = createBatchSignals();
  const first = signals.enter("a");
  signals.leave("a", first);
  expect(signals.enter("a")).not.toBe(first);
});
