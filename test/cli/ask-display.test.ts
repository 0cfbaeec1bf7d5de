import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { startAskDisplay } from "../../src/cli/ask-display.ts";
import { failedWithoutCall, type ResultLine } from "../../src/job/result.ts";

/** A terminal of that size, or no terminal, and what was written to it. */
function givenStreams(columns?: number) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  Object.assign(stdout, columns === undefined ? {} : { isTTY: true, columns, rows: 20 });
  const said = (stream: PassThrough) => String(stream.read() ?? "");
  const streams = { stdout, stderr } as unknown as Parameters<typeof startAskDisplay>[1];
  return { streams, shown: () => said(stdout), told: () => said(stderr) };
}

function answered(text: string): ResultLine {
  const base = failedWithoutCall(0, "1", null, { code: "rejected", message: "" });
  return { ...base, status: "answered", error: null, text, latency_ms: 1_234, cost_usd: 0.25 };
}

/** What a terminal shows in the end: lines that were erased are gone. */
function screenOf(written: string): string[] {
  const lines: string[] = [];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the controls of a terminal
  for (const part of written.split(/(\x1b\[\d+A\x1b\[J)/)) {
    const up = Number(/\[(\d+)A/.exec(part)?.[1] ?? 0);
    if (up > 0) lines.splice(lines.length - 1 - up);
    else lines.push(...part.split("\n"));
    if (up > 0) lines.push("");
  }
  return lines.map((line) => line.trimEnd()).filter((line) => line !== "");
}

describe("answers of several models as they come", () => {
  it("stand in columns on a terminal that is wide enough, each time drawn over what was there", () => {
    const { streams, shown } = givenStreams(80);
    const display = startAskDisplay(["a", "b"], streams);
    display.wait("b", "its tier is down");
    display.show("a", answered("first answer"));
    display.show("b", answered("second answer"));
    display.end();
    const lines = screenOf(shown());
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(/^a +│ b$/);
    expect(lines[1]).toMatch(/^1\.23 s · 0 in, 0 out · \$0\.25 +│ 1\.23 s/);
    expect(lines[3]).toMatch(/^first answer +│ second answer$/);
  });

  it("stand below one another on a narrow terminal, in the order in which they came, and control nothing there", () => {
    const { streams, shown } = givenStreams(40);
    const display = startAskDisplay(["a", "b"], streams);
    display.show("b", answered("\x1b[2Jsecond\x07"));
    display.show("a", answered("first"));
    display.end();
    const lines = screenOf(shown());
    expect(lines).toEqual([
      "── b · 1.23 s · 0 in, 0 out · $0.25",
      "second",
      "── a · 1.23 s · 0 in, 0 out · $0.25",
      "first",
    ]);
  });

  it("are told without terminal tricks elsewhere, and waits beside them", () => {
    const { streams, shown, told } = givenStreams();
    const display = startAskDisplay(["a", "b"], streams);
    display.wait("a", "its tier is down");
    display.show("b", answered("\x1b[31mas it is"));
    display.end();
    expect(shown()).toBe("── b · 1.23 s · 0 in, 0 out · $0.25\n\x1b[31mas it is\n\n");
    expect(told()).toBe("a waits: its tier is down\n");
  });

  it("say of a model whose answer was not needed that it was not", () => {
    const { streams, shown } = givenStreams(80);
    const display = startAskDisplay(["a", "b"], streams);
    display.show("a", answered("enough"));
    display.end();
    expect(screenOf(shown())[1]).toMatch(/│ its answer was not needed$/);
  });
});
