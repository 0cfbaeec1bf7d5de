import { describe, expect, it } from "vitest";
import { readDetectRule } from "../../src/config/detect-rules.ts";
import type { PromptRequest } from "../../src/job/row.ts";
import { createRowPlanner } from "../../src/plan-row.ts";
import { createRouter } from "../../src/routing/choose-model.ts";
import { createDetector } from "../../src/routing/detect-private.ts";
import { everyTier, givenConfig } from "../routing/given-config.ts";

const asked = (text: string): PromptRequest => ({ messages: [{ role: "user", content: text }] });
const finds = (rule: string, text: string): boolean => createDetector([rule])?.(asked(text)) !== undefined;

describe("policy.detect", () => {
  it.each([
    ["email", "write to jane.doe+x@mail.example.co.uk today", "ask @jane about a@b"],
    ["email", "an jürgen@münchen.de", "10@5 items"],
    ["api-key", "use sk-proj-abcdEFGH12345678", "a task-oriented design for the desk-lamp"],
    ["api-key", "token ghp_abcdefghijklmnopqrst0123", "ghp_short"],
    ["api-key", "-----BEGIN RSA PRIVATE KEY-----", "-----BEGIN CERTIFICATE-----"],
    ["card-number", "pay with 4111 1111 1111 1111 12/27", "pay with 4111 1111 1111 1112 12/27"],
    ["card-number", "22 5500-0000-0000-0004", "id 55000000000000041234567890"],
    ["card-number", "amex 378282246310005.", "at 1732492800000"],
    ["/project\\s+falcon/i", "about Project Falcon", "about projects"],
  ])("%s finds it in %j and not in %j", (rule, withIt, without) => {
    expect(finds(rule, withIt)).toBe(true);
    expect(finds(rule, without)).toBe(false);
  });

  it("looks at all that is sent: every message and part, and the whole of an OpenAI body", () => {
    const detect = createDetector(["email"])!;
    const part = { type: "text", text: "from a.b@example.com" };
    expect(detect({ messages: [{ role: "system", content: "for a.b@example.com" }, ...asked("hello").messages] })).toBe(
      "email",
    );
    expect(detect({ messages: [{ role: "user", content: [part] }] })).toBe("email");
    expect(detect({ ...asked("x"), openaiBody: { messages: [], tools: [{ description: part.text }] } })).toBe("email");
    expect(detect({ ...asked("x"), answerForm: { schema: { description: part.text } } })).toBe("email");
    expect(detect(asked("data: a.b@example.com"))).toBe("email");
  });

  it("finds a match wherever it is in a long text", () => {
    for (let at = 0; at < 1_200; at += 37) {
      expect(finds("/falcon-\\d{4}/", `${"x".repeat(at)}falcon-1234${"y".repeat(900)}`), String(at)).toBe(true);
    }
  });

  it.each([
    "/(a+)+b/",
    "/(a|aa)+b/",
    "/((ab)*c?)*d/",
    "/(?:x{1,30}){1,30}y/",
    "/(a)\\1+/",
    "/a*b*c*d/",
    "/a*/",
    "/(/",
    "/a/g",
    "email ",
    "constructor",
  ])("refuses %s with what was expected and what to do", (written) => {
    const rule = readDetectRule(written);
    expect("finds" in rule).toBe(false);
    expect(rule).toMatchObject({ expected: expect.stringMatching(/\w/), mend: expect.stringMatching(/\w/) });
  });

  it.each(["/\\bACME[- ]\\d+\\b/i", "/(?:secret|internal) use/", "/[(+]\\d{2,3}\\)?/", "/(foo)?bar+/u"])(
    "takes %s",
    (written) => {
      expect(readDetectRule(written)).toHaveProperty("finds");
    },
  );

  it("takes no long time, whatever a text holds", () => {
    const rules = ["email", "api-key", "card-number", "/\\d+-\\d+x/"].map((rule) => createDetector([rule])!);
    const texts = [
      "a".repeat(100_000),
      "1 ".repeat(50_000),
      "4".repeat(100_000),
      "a.".repeat(50_000),
      "@a".repeat(50_000),
    ];
    const startedAtMs = performance.now();
    for (const detect of rules) for (const text of texts) detect(asked(text));
    expect(performance.now() - startedAtMs).toBeLessThan(5_000);
  });
});

it("looks into the params of an Anthropic batch request, and at no image's bytes", () => {
  const detect = createDetector(["email"])!;
  const found = (block: object) =>
    detect({ messages: [], anthropicBody: { messages: [{ role: "user", content: [block] }] } });
  expect(found({ type: "text", text: "to a@example.com" })).toBe("email");
  expect(found({ type: "tool_result", content: [{ type: "text", text: "to a@example.com" }] })).toBe("email");
  const source = { type: "base64", media_type: "image/png", data: "to a@example.com" };
  expect(found({ type: "image", source })).toBeUndefined();
});

describe("a row in which something is found", () => {
  const config = givenConfig({ policy: { detect: ["email"] } });
  const plan = createRowPlanner(createRouter(config, everyTier), config, { noPrivateRows: undefined });
  const planOf = (text: string, more: object = {}) => plan({ id: "r", private: false, request: asked(text), ...more });

  it("is private: only local models are left of its route", () => {
    expect(planOf("to a@example.com")).toMatchObject({ ok: true, row: { private: true, route: ["llama"] } });
    expect(planOf("to nobody")).toMatchObject({ ok: true, row: { private: false, route: ["opus", "llama"] } });
  });

  it("stays private when nothing is found, if it says so itself", () => {
    expect(planOf("to nobody", { private: true })).toMatchObject({ row: { private: true } });
    expect(planOf("to nobody", { task: "secret" })).toMatchObject({ row: { private: true } });
  });

  it("is refused where only a cloud is left, with the rule that found it and not with the text", () => {
    const planned = planOf("to a@example.com", { model: "opus" });
    expect(planned).toMatchObject({ ok: false, code: "policy_refused" });
    expect(JSON.stringify(planned)).toContain("policy.detect: email");
    expect(JSON.stringify(planned)).not.toContain("example.com");
  });
});
