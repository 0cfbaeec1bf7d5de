import { ask } from "./ask.js";
import { byId, keepList, make, say, sayOrHide, set } from "./elements.js";
import { ago, count, duration, moment, percent, perSecond, short, usd } from "./format.js";
import { makeMeter } from "./plot.js";

/* The table of batches, and what can be done with one. */

const stateWords = {
  validating: "reading",
  in_progress: "running",
  finalizing: "finishing",
  completed: "done",
  failed: "failed",
  expired: "expired",
  cancelling: "cancelling",
  cancelled: "cancelled",
};
const shownAtFirst = 25;

export const isOpen = ({ status }) => ["validating", "in_progress", "finalizing", "cancelling"].includes(status);

function progressText({ status, total, completed, failed }) {
  if (status === "validating" && total === 0) return "its lines are being read";
  const done = completed + failed;
  if (total === 0) return done === 0 ? "" : `${count(done)} so far`;
  return `${count(done)} of ${count(total)}`;
}

function timeText(batch) {
  if (!isOpen(batch)) return `${stateWords[batch.status]} ${ago(batch.sinceMs)}`;
  if (batch.isPaused) return "paused";
  if (batch.leftMs !== undefined) return `${duration(batch.leftMs)} left`;
  return batch.status === "in_progress" && batch.total > 0 ? "waits" : "";
}

/** @param viewer what he may do. */
function makeBatch(id, viewer) {
  const name = make("span", { class: "name" });
  const about = make("span", { class: "quiet" });
  const state = make("span", { class: "badge" });
  const meter = makeMeter(`Progress of batch ${id}`);
  const progress = make("span");
  const failed = make("span", { class: "bad" });
  const notAsked = make("span", { class: "quiet" });
  const time = make("span");
  const timeNote = make("span", { class: "quiet" });
  const cost = make("span");
  const tokens = make("span", { class: "quiet" });
  const pause = make("button", { type: "button", class: "button" });
  const cancel = make("button", { type: "button", class: "button" }, "Cancel");
  const soFar = make("a", { class: "button", download: `${id}.jsonl`, href: `v1/batches/${id}/results` }, "So far");
  const results = make("a", { class: "button", download: "" }, "Results");
  const errors = make("a", { class: "button", download: "" }, "Errors");
  const reason = make("td", { colspan: 6 });
  const reasonRow = make("tr", { class: "reason" }, reason);
  const stack = (...children) => make("span", { class: "stack" }, ...children);
  const element = make(
    "tbody",
    { "data-batch": id },
    make(
      "tr",
      {},
      make("th", { scope: "row" }, name, about),
      make("td", { class: "state" }, state),
      make(
        "td",
        { "data-name": "Progress" },
        make("span", { class: "line" }, progress, failed, notAsked),
        meter.element,
      ),
      make("td", { "data-name": "Time" }, stack(time, timeNote)),
      make("td", { class: "number", "data-name": "Cost" }, stack(cost, tokens)),
      make("td", { class: "do" }, make("span", { class: "actions" }, pause, cancel, soFar, results, errors)),
    ),
    reasonRow,
  );
  let shown;
  pause.addEventListener("click", () => act(id, shown.isPaused ? "resume" : "pause", pause));
  cancel.addEventListener("click", async () => {
    if (await isSure(shown)) await act(id, "cancel", cancel);
  });

  return {
    element,
    update(batch) {
      shown = batch;
      const { status, isPaused, total, outputFileId, errorFileId } = batch;
      const done = batch.completed + batch.failed;
      const label = batch.name ?? "rows sent with the request";
      say(name, label);
      set(name, "title", label);
      say(about, `${id.slice(0, 14)}… · ${batch.endpoint}`);
      set(about, "title", id);
      say(state, isPaused && isOpen(batch) ? "paused" : stateWords[status]);
      set(state, "data-state", isPaused && isOpen(batch) ? "paused" : status);
      set(element, "data-state", status);
      meter.show(done, total, `${count(done)} of ${count(total)} rows`, status);
      say(progress, progressText(batch) + (total > 0 && isOpen(batch) ? ` · ${percent(done / total)}` : ""));
      const bad = batch.failed - batch.notAsked;
      sayOrHide(failed, bad > 0 ? `${count(bad)} failed` : "");
      sayOrHide(notAsked, batch.notAsked > 0 ? `${count(batch.notAsked)} not asked` : "");
      say(time, timeText(batch));
      set(time, "title", `made ${moment(batch.createdAtMs)}`);
      say(timeNote, batch.perSecond > 0 && isOpen(batch) ? `${perSecond(batch.perSecond)} rows a second` : "");
      say(cost, usd(batch.costUsd));
      say(tokens, batch.tokens > 0 ? `${short(batch.tokens)} tokens` : "");

      const isOwn = viewer.role === "admin" || (viewer.role === "submit" && batch.owner === viewer.name);
      const hasContent = viewer.takesBatches && isOwn;
      const canChange = hasContent && ["validating", "in_progress"].includes(status);
      say(pause, isPaused ? "Resume" : "Pause");
      set(pause, "aria-label", `${isPaused ? "Resume" : "Pause"} ${label}`);
      pause.hidden = !canChange || viewer.role !== "admin";
      set(cancel, "aria-label", `Cancel ${label}`);
      cancel.hidden = !canChange;
      set(soFar, "aria-label", `Download the results of ${label} so far`);
      soFar.hidden = !hasContent || !isOpen(batch) || done === 0;
      const fileOf = (fileId) => (fileId === undefined || !hasContent ? undefined : `v1/files/${fileId}/content`);
      // A batch of Anthropic's API has no files.
      const lines = id.startsWith("msgbatch_") && hasContent && !isOpen(batch) ? `v1/batches/${id}/results` : undefined;
      showDownload(results, fileOf(outputFileId) ?? lines, `Download the results of ${label}`);
      showDownload(errors, fileOf(errorFileId), `Download the failed rows of ${label}`);
      reasonRow.hidden = batch.reason === undefined;
      say(reason, batch.reason ?? "");
    },
  };
}

function showDownload(link, address, label) {
  link.hidden = address === undefined;
  set(link, "href", address);
  set(link, "aria-label", label);
}

async function act(id, action, button) {
  button.disabled = true;
  const { error } = await ask(`v1/batches/${id}/${action}`, { method: "POST" });
  button.disabled = false;
  sayOrHide(byId("action-note"), error === undefined ? "" : `Could not ${action} batch ${id}: ${error}`);
}

/** The dialog tells that it was closed a moment later; until then it cannot be opened for another question. */
let asking = Promise.resolve();

/** Rows that were asked are paid, so it is asked twice before the rest is dropped. */
function isSure(batch) {
  asking = asking.then(() => askAgain(batch));
  return asking;
}

function askAgain({ name, total, completed, failed }) {
  const dialog = byId("confirm");
  const left = total - completed - failed;
  const rest =
    left > 0 ? `${count(left)} rows have no answer yet and will get none.` : "Rows without an answer will get none.";
  say(byId("confirm-text"), `${name ?? "This batch"}: ${rest} What is answered stays and can be downloaded.`);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

const filters = [
  { name: "All", holds: () => true },
  { name: "Open", holds: isOpen },
  { name: "Ended", holds: (batch) => !isOpen(batch) },
];

/** @param onFilter told when another choice of batches is to be shown. */
export function makeBatches(viewer, onFilter) {
  const table = byId("batch-list");
  const keep = keepList(
    table,
    ({ id }) => id,
    (id) => makeBatch(id, viewer),
  );
  let chosen = filters[0];
  let showsAll = false;
  const buttons = filters.map((filter) => {
    const number = make("span", { class: "quiet" });
    const button = make("button", { type: "button", "aria-pressed": filter === chosen }, `${filter.name} `, number);
    button.addEventListener("click", () => {
      chosen = filter;
      for (const one of buttons) set(one.button, "aria-pressed", one.filter === chosen ? "true" : "false");
      onFilter();
    });
    return { filter, button, number };
  });
  for (const { button } of buttons) set(button, "aria-pressed", button === buttons[0].button ? "true" : "false");
  byId("filters").append(...buttons.map(({ button }) => button));
  const more = byId("more");
  more.addEventListener("click", () => {
    showsAll = true;
    onFilter();
  });

  function wordsForNone(all) {
    if (all.length > 0) return `None of ${count(all.length)} batches is ${chosen.name.toLowerCase()}.`;
    if (!viewer.takesBatches) return "The run has not begun to read its input yet.";
    const base = new URL("v1", location.href).href;
    return `No batches yet. Drop a JSONL file above, or point any OpenAI SDK here: base_url="${base}".`;
  }

  return {
    update(all) {
      const open = all.filter(isOpen);
      const inOrder = [...open, ...all.filter((batch) => !isOpen(batch))];
      for (const { filter, number } of buttons) say(number, count(inOrder.filter(filter.holds).length));
      const wanted = inOrder.filter(chosen.holds);
      const most = showsAll ? wanted.length : Math.max(shownAtFirst, Math.min(open.length, 100));
      keep(wanted.slice(0, most));
      table.hidden = wanted.length === 0;
      sayOrHide(byId("no-batches"), wanted.length === 0 ? wordsForNone(all) : "");
      more.hidden = wanted.length <= most;
      say(more, `Show all ${count(wanted.length)}`);
    },
  };
}
