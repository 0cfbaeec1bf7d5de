import { make, set } from "./elements.js";

/* Small plots of the last quarter of an hour, or of what there is of it. */

const pointsKept = 180;
const everyMs = 5_000;
/** So wide at least, as a plot of two points looks like news. */
const pointsAtLeast = 36;
const height = 100;

/** Numbers at even distances, oldest first. */
export class Series {
  values = [];

  push(value) {
    this.values.push(value);
    if (this.values.length > pointsKept) this.values.shift();
  }

  get peak() {
    return Math.max(0, ...this.values);
  }
}

/** The sum of several series, point by point from their newest on. */
export function sumOf(all) {
  const sum = new Series();
  const length = Math.max(0, ...all.map(({ values }) => values.length));
  for (let back = length; back > 0; back--) {
    sum.push(all.reduce((total, { values }) => total + (values[values.length - back] ?? 0), 0));
  }
  return sum;
}

/** A plot that fills its box; the newest point is at its right edge. */
export function makePlot(what) {
  const area = make("path", { class: "area" });
  const line = make("path", { class: "line" });
  const element = make("svg", { class: "plot", preserveAspectRatio: "none", role: "img" }, area, line);
  return {
    element,
    draw({ values, peak }, valueText) {
      const width = Math.max(pointsAtLeast, values.length);
      const minutes = Math.max(1, Math.round((width * everyMs) / 60_000));
      set(element, "viewBox", `0 0 ${width - 1} ${height}`);
      set(element, "aria-label", `${what} over the last ${minutes} minutes, at most ${valueText(peak)}`);
      if (values.length === 0) return;
      const highest = peak === 0 ? 1 : peak;
      const first = width - values.length;
      // A little room above and below, so that the line is never cut in half.
      const points = values.map((value, at) => `${first + at} ${(96 - (value / highest) * 90).toFixed(1)}`);
      const path = `M${points.join("L")}`;
      set(line, "d", path);
      set(area, "d", `${path}L${width - 1} ${height}L${first} ${height}Z`);
    },
  };
}

/** A bar that is full to a share of it. */
export function makeMeter(label) {
  const fill = make("span");
  const element = make("span", { class: "meter", role: "meter", "aria-label": label, "aria-valuemin": 0 }, fill);
  return {
    element,
    show(value, most, words, tone = "") {
      const share = most > 0 ? Math.min(1, value / most) : 0;
      fill.style.inlineSize = `${(share * 100).toFixed(1)}%`;
      set(element, "aria-valuemax", most);
      set(element, "aria-valuenow", value);
      set(element, "aria-valuetext", words);
      set(element, "data-tone", tone);
    },
  };
}
