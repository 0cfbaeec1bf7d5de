import { byId, make, say } from "./elements.js";
import { count, duration, perSecond, short, usd } from "./format.js";
import { makePlot, sumOf } from "./plot.js";

/* The figures of the whole fleet at the top of the page. */

function makeFigure(name, plotOf) {
  const value = make("strong");
  const unit = make("span", { class: "unit" });
  const note = make("p", { class: "quiet" });
  const plot = plotOf === undefined ? undefined : makePlot(plotOf);
  const peak = make("span");
  const top = make("div", { class: "top" }, make("h2", {}, name), peak);
  const element = make("div", { class: "figure panel" }, top, make("p", {}, value, unit), note);
  if (plot !== undefined) element.append(plot.element);
  return {
    element,
    draw(series, valueText) {
      plot.draw(series, valueText);
      say(peak, series.peak > 0 ? `peak ${valueText(series.peak)}` : "");
    },
    show(valueText, unitText, noteText) {
      say(value, valueText);
      say(unit, unitText);
      say(note, noteText);
    },
  };
}

export function makeFigures() {
  const rate = makeFigure("Answers", "Answers a second");
  const running = makeFigure("In flight", "Calls in flight");
  const waiting = makeFigure("Waiting", "Rows that wait");
  const cost = makeFigure("Cost", undefined);
  byId("figures").append(rate.element, running.element, waiting.element, cost.element);
  const sum = (items, of) => items.reduce((total, item) => total + of(item), 0);

  return {
    update(tiers, batches) {
      const errors = sum(tiers, (tier) => tier.errorsPerSecond);
      rate.show(
        perSecond(sum(tiers, (tier) => tier.perSecond)),
        "a second",
        errors > 0 ? `and ${perSecond(errors)} errors a second` : "no errors",
      );
      const inUse = tiers.filter(({ state }) => state !== "unused");
      const slots = sum(inUse, (tier) => tier.slots);
      running.show(
        short(sum(inUse, (tier) => tier.running)),
        `of ${short(slots)}`,
        `${count(inUse.length)} ${inUse.length === 1 ? "tier" : "tiers"} in use`,
      );
      const open = batches.filter(({ isOpen }) => isOpen);
      const left = Math.max(0, ...open.map(({ leftMs }) => leftMs ?? 0));
      waiting.show(short(sum(inUse, (tier) => tier.waiting)), "rows", left > 0 ? `about ${duration(left)} left` : "");
      const tokens = sum(batches, (batch) => batch.tokens);
      cost.show(
        usd(sum(batches, (batch) => batch.costUsd)),
        "",
        `${short(tokens)} tokens · ${count(open.length)} of ${count(batches.length)} batches open`,
      );
    },
    draw(series) {
      const all = [...series.values()];
      rate.draw(sumOf(all.map((tier) => tier.perSecond)), perSecond);
      running.draw(sumOf(all.map((tier) => tier.running)), short);
      waiting.draw(sumOf(all.map((tier) => tier.waiting)), short);
    },
  };
}
