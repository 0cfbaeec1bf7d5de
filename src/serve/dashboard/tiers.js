import { byId, keepList, make, say, sayOrHide, set } from "./elements.js";
import { count, percent, perSecond, short } from "./format.js";
import { makeMeter, makePlot } from "./plot.js";

/* The table of tiers. */

const stateWords = {
  working: "working",
  ready: "ready",
  waits: "waits",
  down: "down",
  paused: "paused",
  unworked: "nobody works it",
  unused: "unused",
};

const limitWords = { requests: "requests", tokens: "tokens", input: "input tokens", output: "output tokens" };

function makeTier(tier) {
  const about = make("span", { class: "quiet" });
  const state = make("span", { class: "badge" });
  const running = makeMeter(`Calls in flight at ${tier}`);
  const runningText = make("span");
  const runningNote = make("span", { class: "quiet" });
  const runningPlot = makePlot(`Calls in flight at ${tier}`);
  const waiting = make("td", { class: "number", "data-name": "Waiting" });
  const rate = make("span", { class: "value" });
  const errors = make("span", { class: "bad" });
  const ratePlot = makePlot(`Answers a second of ${tier}`);
  const quota = makeMeter(`Quota of ${tier} used`);
  const quotaText = make("span");
  const quotaNote = make("span", { class: "quiet" });
  const reason = make("td", { colspan: 6 });
  const reasonRow = make("tr", { class: "reason" }, reason);
  const element = make(
    "tbody",
    { "data-tier": tier },
    make(
      "tr",
      {},
      make("th", { scope: "row" }, make("span", { class: "name" }, tier), about),
      make("td", { class: "state" }, state),
      make(
        "td",
        { "data-name": "In flight" },
        make(
          "span",
          { class: "with-plot" },
          make("span", { class: "stack" }, runningText, runningNote),
          runningPlot.element,
        ),
        running.element,
      ),
      waiting,
      make(
        "td",
        { "data-name": "Answers a second" },
        make("span", { class: "with-plot" }, make("span", { class: "stack" }, rate, errors), ratePlot.element),
      ),
      make("td", { "data-name": "Quota used" }, make("span", { class: "stack" }, quotaText, quotaNote), quota.element),
    ),
    reasonRow,
  );

  function showQuota(quotas) {
    const most = quotas.reduce((one, other) => (one === undefined || other.used > one.used ? other : one), undefined);
    quota.element.hidden = most === undefined;
    if (most === undefined) {
      say(quotaText, "");
      say(quotaNote, "no limit known");
      return;
    }
    const { used, perMinute, limit, models } = most;
    say(quotaText, percent(used));
    say(quotaNote, `of ${short(perMinute)} ${limitWords[limit]}/min`);
    const others = quotas.map(
      (one) =>
        `${one.models.join(", ")}: ${percent(one.used)} of ${count(one.perMinute)} ${limitWords[one.limit]} a minute`,
    );
    set(quotaNote.parentElement, "title", others.join("\n"));
    quota.show(
      used,
      1,
      `${percent(used)} of ${count(perMinute)} ${limitWords[limit]} a minute (${models.join(", ")})`,
      used > 0.95 ? "warn" : "",
    );
  }

  return {
    element,
    update(view) {
      say(about, [view.provider, view.location].filter((word) => word !== undefined).join(" · "));
      say(state, stateWords[view.state]);
      set(state, "data-state", view.state);
      set(element, "data-state", view.state);
      say(runningText, `${count(view.running)} of ${count(view.slots)}`);
      const notes = [view.isSized ? "size found" : "size set"];
      if (view.processes > 1) notes.push(`${view.processes} processes`);
      if (view.endpointsDown > 0)
        notes.push(`${view.endpoints - view.endpointsDown} of ${view.endpoints} endpoints up`);
      say(runningNote, notes.join(" · "));
      running.show(view.running, view.slots, `${view.running} of ${view.slots}`);
      say(waiting, short(view.waiting));
      say(rate, perSecond(view.perSecond));
      sayOrHide(errors, view.errorsPerSecond > 0 ? `${perSecond(view.errorsPerSecond)} errors` : "");
      showQuota(view.quotas);
      const waits = view.state !== "ready" && view.state !== "working" && view.reasons.length > 0;
      reasonRow.hidden = !waits;
      say(reason, waits ? view.reasons.join(" · ") : "");
    },
    draw(series) {
      if (series === undefined) return;
      runningPlot.draw(series.running, short);
      ratePlot.draw(series.perSecond, perSecond);
    },
  };
}

export function makeTiers() {
  const table = byId("tiers");
  const entries = new Map();
  const keep = keepList(
    table,
    ({ tier }) => tier,
    (tier) => {
      const entry = makeTier(tier);
      entries.set(tier, entry);
      return entry;
    },
  );
  return {
    update(tiers) {
      const inUse = tiers.filter(({ state }) => state !== "unused");
      keep(inUse);
      table.hidden = inUse.length === 0;
      byId("no-tiers").hidden = inUse.length > 0;
      const unused = tiers.filter(({ state }) => state === "unused").map(({ tier }) => tier);
      sayOrHide(byId("unused-tiers"), unused.length === 0 ? "" : `Not in use: ${unused.join(", ")}`);
    },
    draw(series) {
      for (const [tier, entry] of entries) entry.draw(series.get(tier));
    },
  };
}
