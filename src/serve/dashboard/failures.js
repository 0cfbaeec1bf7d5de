import { byId, keepList, make, say, set } from "./elements.js";
import { ago, count, moment } from "./format.js";

/* How the last rows failed. */

const codeWords = {
  invalid_row: "The row cannot be used",
  rejected: "The provider refused the row",
  content_filtered: "The provider's filter stopped the answer",
  context_overflow: "The prompt is too long",
  invalid_answer: "The answer is not of the form that was asked for",
  attempts_exhausted: "It failed too often while others were answered",
  worker_crashed: "It ended the process that asked it",
  policy_refused: "The privacy rule does not let it leave",
  no_consensus: "The models do not agree",
};

function makeFailure() {
  const what = make("strong");
  const code = make("code");
  const where = make("span", { class: "quiet" });
  const time = make("time", { class: "quiet" });
  const message = make("p");
  const element = make("li", {}, make("p", { class: "line" }, what, code, where, time), message);
  return {
    element,
    update({ code: name, tier, model, batch, row, atMs, message: text, times }) {
      say(what, codeWords[name] ?? "The row failed");
      say(code, name);
      const place = [
        tier === undefined ? "not sent" : `${tier}, ${model}`,
        `batch ${batch.slice(0, 14)}…, row ${count(row + 1)}`,
      ];
      if (times > 1) place.push(`${count(times)} such rows or more`);
      say(where, place.join(" · "));
      say(time, ago(atMs));
      set(time, "datetime", new Date(atMs).toISOString());
      set(time, "title", moment(atMs));
      say(message, text);
    },
  };
}

const keyOf = ({ batch, tier, code, message }) => JSON.stringify([batch, tier, code, message]);

export function makeFailures() {
  const list = byId("failures");
  const keep = keepList(list, keyOf, makeFailure);
  return {
    update(failures) {
      keep(failures);
      list.hidden = failures.length === 0;
      byId("no-failures").hidden = failures.length > 0;
    },
  };
}
