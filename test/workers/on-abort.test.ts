import { expect, it } from "vitest";
import { forgetAbort, onAbort } from "../../workers/on-abort.ts";

it("an aborted signal calls back everybody who waits for it, and nobody who has left", () => {
  const controller = new AbortController();
  const called: string[] = [];
  const [first, second, third] = ["first", "second", "third"].map((name) => () => void called.push(name));
  for (const callback of [first!, second!, third!]) onAbort(controller.signal, callback);
  forgetAbort(controller.signal, second!);
  controller.abort();
  controller.abort();
  expect(called).toEqual(["first", "third"]);
});
