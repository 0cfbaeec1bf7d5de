import { isOpen, makeBatches } from "./batches.js";
import { byId, say, sayOrHide, set } from "./elements.js";
import { makeFailures } from "./failures.js";
import { makeFigures } from "./figures.js";
import { bytes } from "./format.js";
import { Series } from "./plot.js";
import { makeTiers } from "./tiers.js";
import { makeUpload } from "./upload.js";

/*
 * The page shows what the server says: the whole state when it connects, then what has changed, about once a second.
 */

/** The server says something at least every few seconds; a connection that is silent for longer is a dead one. */
const silentMs = 15_000;
const againMs = 2_000;
const agesEveryMs = 10_000;

const state = { fleet: undefined, tiers: new Map(), batches: new Map(), failures: [], series: new Map() };
/** Who looks, and what may be done here. */
const viewer = { role: "read", name: "", takesBatches: false };
const figures = makeFigures();
const tiers = makeTiers();
const batches = makeBatches(viewer, () => drawBatches());
const failures = makeFailures();
const upload = makeUpload();

function seriesOf(tier) {
  let series = state.series.get(tier);
  if (series === undefined) {
    series = { perSecond: new Series(), running: new Series(), waiting: new Series() };
    state.series.set(tier, series);
  }
  return series;
}

function begin({ history, viewer: whoLooks, ...whole }) {
  state.tiers.clear();
  state.batches.clear();
  state.series.clear();
  for (const [tier, numbers] of Object.entries(history.tiers)) {
    const series = seriesOf(tier);
    for (const name of Object.keys(series)) for (const value of numbers[name]) series[name].push(value);
  }
  Object.assign(viewer, whoLooks);
  upload.show(viewer.takesBatches && viewer.role !== "read");
  change(whole);
  drawPlots();
}

function change({ fleet, tiers: changedTiers, goneTiers, batches: changed, goneBatches, failures: last, point }) {
  state.fleet = fleet ?? state.fleet;
  for (const tier of changedTiers ?? []) state.tiers.set(tier.tier, tier);
  for (const tier of goneTiers ?? []) state.tiers.delete(tier);
  for (const batch of changed ?? []) state.batches.set(batch.id, { ...batch, isOpen: isOpen(batch) });
  for (const id of goneBatches ?? []) state.batches.delete(id);
  state.failures = last ?? state.failures;
  draw();
  if (point === undefined) return;
  for (const [tier, [perSecond, running, waiting]] of Object.entries(point)) {
    const series = seriesOf(tier);
    series.perSecond.push(perSecond);
    series.running.push(running);
    series.waiting.push(waiting);
  }
  drawPlots();
}

const allBatches = () => [...state.batches.values()].sort((one, other) => other.createdAtMs - one.createdAtMs);

function drawBatches() {
  batches.update(allBatches());
}

function draw() {
  const allTiers = [...state.tiers.values()];
  drawBatches();
  tiers.update(allTiers);
  figures.update(allTiers, [...state.batches.values()]);
  failures.update(state.failures);
  if (state.fleet === undefined) return;
  const { name, processes, redisBytes, redisMaxBytes, trouble } = state.fleet;
  const memory = redisMaxBytes > 0 ? `${bytes(redisBytes)} of ${bytes(redisMaxBytes)}` : bytes(redisBytes);
  say(byId("fleet"), `${name} · ${processes} ${processes === 1 ? "process" : "processes"} · Redis ${memory}`);
  sayOrHide(byId("trouble"), trouble === undefined ? "" : `${trouble}. What is shown may be old; nothing is lost.`);
  const open = [...state.batches.values()].filter((batch) => batch.isOpen).length;
  document.title = open === 0 ? "promptfleet" : `(${open}) promptfleet`;
}

function drawPlots() {
  tiers.draw(state.series);
  figures.draw(state.series);
}

function showConnection(how, words) {
  const element = byId("connection");
  say(element, words);
  set(element, "data-state", how);
  document.body.classList.toggle("stale", how === "lost");
}

function connect() {
  const events = new EventSource("dashboard/events");
  let heardMs = Date.now();
  const on = (name, listener) =>
    events.addEventListener(name, ({ data }) => {
      heardMs = Date.now();
      showConnection("live", "live");
      listener(JSON.parse(data));
    });
  on("begin", begin);
  on("change", change);

  const watching = setInterval(() => {
    if (Date.now() - heardMs > silentMs) again();
  }, againMs);
  events.addEventListener("error", () => {
    showConnection("lost", "reconnecting");
    // Refused, not cut: the browser would not try again by itself.
    if (events.readyState === EventSource.CLOSED) again();
  });

  let isOver = false;
  function again() {
    if (isOver) return;
    isOver = true;
    clearInterval(watching);
    events.close();
    showConnection("lost", "reconnecting");
    setTimeout(async () => {
      // The login has ended: the page itself leads there.
      const answer = await fetch("dashboard/page.js", { cache: "no-store" }).catch(() => undefined);
      if (answer?.status === 401) location.reload();
      else connect();
    }, againMs);
  }
}

setInterval(() => {
  if (state.fleet !== undefined) draw();
}, agesEveryMs);
connect();
