import { describe, expect, it } from "vitest";
import { createIsolation } from "../../src/pool/isolation.ts";

/** A piece of work that says when it began and ends when it is told to. */
function work(log: string[], name: string) {
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    end: resolve,
    async run() {
      log.push(`${name} begins`);
      await promise;
      log.push(`${name} ends`);
      return name;
    },
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("what runs alone", () => {
  it("waits for all that runs, has the process for itself, and lets those wait that come meanwhile", async () => {
    const { together, alone } = createIsolation();
    const log: string[] = [];
    const [a, b, suspect, other, late] = ["a", "b", "suspect", "other", "late"].map((name) => work(log, name));
    const all = [together(a!.run), together(b!.run), alone(suspect!.run), alone(other!.run), together(late!.run)];
    for (const one of [a, b, suspect, other, late]) {
      await settled();
      one!.end();
    }
    expect(await Promise.all(all)).toEqual(["a", "b", "suspect", "other", "late"]);
    expect(log.slice(0, 2)).toEqual(["a begins", "b begins"]);
    expect(log.slice(2)).toEqual([
      ...["a ends", "b ends", "suspect begins", "suspect ends"],
      ...["other begins", "other ends", "late begins", "late ends"],
    ]);
  });

  it("is why all else waits, from when it is to run until it has", async () => {
    const { together, alone, waitReason } = createIsolation();
    const log: string[] = [];
    const [a, suspect] = ["a", "suspect"].map((name) => work(log, name));
    const all = [together(a!.run)];
    expect(waitReason()).toBeUndefined();
    all.push(alone(suspect!.run));
    expect(waitReason()).toMatch(/may have ended its process/);
    a!.end();
    suspect!.end();
    await Promise.all(all);
    expect(waitReason()).toBeUndefined();
  });

  it("ends for the next also when it fails", async () => {
    const { together, alone } = createIsolation();
    const failing = alone(() => Promise.reject(new Error("no")));
    const next = together(async () => "next");
    await expect(failing).rejects.toThrow("no");
    expect(await next).toBe("next");
    expect(await alone(async () => "again")).toBe("again");
  });
});
