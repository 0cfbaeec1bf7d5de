import { describe, expect, it } from "vitest";
import { createWindows, type TierWindow } from "../../src/queue/window.ts";
import { createWindowShares, type WindowShares } from "../../src/queue/window-shares.ts";

const slots = 50;
/** A window of a tier that nobody has measured: one and a quarter rows a slot, at least 64. */
const all = 64;

function givenBatch(shares: WindowShares, weight = 1) {
  const share = shares.join(weight);
  const windows = createWindows(() => slots, share);
  let next = 0;
  return {
    share,
    windows,
    window: (tier = "tier"): TierWindow => windows.of(tier),
    /** Feeds until there is no more room, as a batch that has more rows. */
    fill(tier = "tier"): number {
      const window = windows.of(tier);
      while (window.hasRoom()) window.enter(next++, 1, [tier]);
      window.wants(true);
      return window.rows;
    },
    drain(rows: number): void {
      for (const row of [...windows.fedRows().keys()].slice(0, rows)) windows.leave(row);
    },
  };
}

describe("batches that share a tier", () => {
  it("have all of it when alone, and their parts by weight when others want it, too", () => {
    const shares = createWindowShares();
    const one = givenBatch(shares, 3);
    expect(one.fill()).toBe(all);
    const other = givenBatch(shares);
    expect(other.fill()).toBe(all / 4);
    one.drain(all / 2);
    expect(one.fill(), "its three quarters").toBe((all * 3) / 4);
    one.share.weight = 1;
    one.drain(all / 2);
    expect(one.fill(), "its half by the new weight").toBe(all / 2);
  });

  it("leave what they do not want to the others", () => {
    const shares = createWindowShares();
    const [one, other] = [givenBatch(shares), givenBatch(shares)];
    expect(one.fill()).toBe(all);
    other.window().enter(0, 1, ["tier"]);
    other.window().wants(false);
    one.drain(all);
    expect(one.fill(), "all but the row of the other").toBe(all - 1);
  });

  it("share one tier and not another that only one of them uses", () => {
    const shares = createWindowShares();
    const [one, other] = [givenBatch(shares), givenBatch(shares)];
    one.fill("busy");
    other.fill("busy");
    expect(one.fill("quiet")).toBe(all);
  });

  it("get what one that ends has had", () => {
    const shares = createWindowShares();
    const [one, other] = [givenBatch(shares), givenBatch(shares)];
    one.fill();
    expect(other.fill()).toBe(all / 2);
    one.share.leave();
    expect(other.fill()).toBe(all);
  });

  it("have no more payloads in Redis together than one alone may have", () => {
    const shares = createWindowShares();
    const batches = [givenBatch(shares), givenBatch(shares), givenBatch(shares, 2)];
    const bytes = batches.map(({ share }) => share.mostBytes());
    expect(bytes[2]).toBe(2 * bytes[0]!);
    expect(bytes[0]! + bytes[1]! + bytes[2]!).toBe(64 * 1024 * 1024);
  });
});
