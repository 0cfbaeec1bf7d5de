import { describe, expect, it } from "vitest";
import type { BackendCall } from "../../workers/adapter.ts";
import { plainRequest, refuseOmissions } from "../../workers/plain-request.ts";

function callOf(strict: boolean, body: Record<string, unknown>): BackendCall {
  return {
    model: "small",
    request: { messages: [], openaiBody: { messages: [{ role: "user", content: "hello" }], ...body } },
    maxOutputTokens: 10,
    defaults: {},
    strict,
    private: false,
    signal: new AbortController().signal,
    timeoutMs: 1_000,
  };
}

describe("an option that a backend cannot take", () => {
  it("fails a strict row before anything is sent, and names the option", () => {
    const call = callOf(true, { tools: [], logprobs: true });
    expect(refuseOmissions(call, plainRequest(call))).toEqual({
      kind: "rejected",
      message: "small cannot take tools, logprobs (--strict)",
    });
  });

  it("is left out of any other row, and said so in the answer", () => {
    const call = callOf(false, { tools: [] });
    const plain = plainRequest(call);
    expect(refuseOmissions(call, plain)).toBeUndefined();
    expect(plain.omittedOptions).toEqual(["tools"]);
  });

  it("is none when the backend takes all that is asked", () => {
    const call = callOf(true, { temperature: 0.5, stop: "x", seed: 1 });
    expect(refuseOmissions(call, plainRequest(call))).toBeUndefined();
  });
});
