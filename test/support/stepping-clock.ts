/**
 * To be loaded before a program (`node --import`): its wall clock differs from the system's by what a file says, in ms,
 * and steps when that changes. Monotonic clocks go on, as they do when a real clock is set.
 */
import { readFileSync } from "node:fs";

const RealDate = Date;
const realNow = Date.now.bind(Date);
const file = process.env.PROMPTFLEET_TEST_CLOCK!;
let offsetMs = 0;

function look(): void {
  const found = Number(readFileSync(file, "utf8"));
  if (Number.isFinite(found)) offsetMs = found;
}
look();
setInterval(look, 50).unref();

const now = () => realNow() + offsetMs;
globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  apply: (target) => new target(now()).toString(),
  get: (target, name) => (name === "now" ? now : Reflect.get(target, name)),
});
