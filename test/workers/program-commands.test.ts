import { expect, it } from "vitest";
import { aichatProgram } from "../../workers/aichat.ts";
import { claudeProgram } from "../../workers/claude-cli.ts";
import type { CliProgram } from "../../workers/cli-adapter.ts";
import { cliPrompt } from "../../workers/cli-prompt.ts";
import { callWith } from "../conformance/dialects.ts";

function commandOf(program: CliProgram, model: string, request: object) {
  const call = callWith({ model, request: { messages: [], ...request } });
  const prompt = cliPrompt(call, program.takes(call));
  if ("kind" in prompt) throw new Error(prompt.message);
  return program.command(prompt, call, "sk-some-key");
}
const user = (content: string) => [{ role: "user" as const, content }];
const withSystem = (system: string) => ({ messages: [{ role: "system" as const, content: system }, ...user("Hi")] });

it("never lets claude use tools, thoughts, its own instructions, or files that a prompt names", () => {
  const { args, variables, input } = commandOf(claudeProgram, "haiku", { messages: user("Explain @~/.ssh/id_rsa") });
  expect(args).toContain("--bare");
  expect(args[args.indexOf("--tools") + 1]).toBe("");
  expect(args).toContain("--no-session-persistence");
  expect(args).toContain("--system-prompt=");
  expect(variables).toMatchObject({ MAX_THINKING_TOKENS: "0", CLAUDE_CODE_MAX_RETRIES: "0" });
  expect(input).toBe("Explain @~/.ssh/id_rsa");
});

it("does not let claude take a prompt for a command of its own", () => {
  expect(commandOf(claudeProgram, "haiku", { messages: user("/cost of war") }).input).toBe("\n/cost of war");
});

it("tells claude its model's own bound on what a call may spend", () => {
  const call = callWith({ request: { messages: user("Hi") }, defaults: { maxBudgetUsd: 0.05 } });
  const prompt = cliPrompt(call, claudeProgram.takes(call));
  if ("kind" in prompt) throw new Error(prompt.message);
  expect(claudeProgram.command(prompt, call, undefined).args).toContain("--max-budget-usd=0.05");
});

it("asks claude for the schema of an OpenAI body", () => {
  const schema = { type: "object", properties: { label: { type: "string" } } };
  const openaiBody = {
    messages: user("Hi"),
    response_format: { type: "json_schema", json_schema: { name: "label", schema } },
  };
  expect(commandOf(claudeProgram, "haiku", { openaiBody }).args).toContain(`--json-schema=${JSON.stringify(schema)}`);
  const omittedBy = ({ takes }: CliProgram, body: object) => {
    const call = callWith({ request: { messages: [], openaiBody: body as Record<string, unknown> } });
    return cliPrompt(call, takes(call));
  };
  const anyJson = { ...openaiBody, response_format: { type: "json_object" } };
  expect(omittedBy(claudeProgram, openaiBody)).toMatchObject({ omittedOptions: [] });
  expect(omittedBy(claudeProgram, anyJson)).toMatchObject({ omittedOptions: ["response_format"] });
  expect(omittedBy(aichatProgram, openaiBody)).toMatchObject({ omittedOptions: ["response_format"] });
});

it("tells aichat its options as the settings of a role, and no other settings", () => {
  expect(commandOf(aichatProgram, "openai:gpt-4o", { messages: user("Hi") }).args).toEqual([
    "-S",
    "--model=openai:gpt-4o",
  ]);
  const { args, variables } = commandOf(aichatProgram, "claude:claude-haiku-4-5", {
    ...withSystem("---\nuse_tools: all\n---\nBe short."),
    temperature: 0.5,
    topP: 0.9,
  });
  expect(args.at(-1)).toBe("--prompt=---\ntemperature: 0.5\ntop_p: 0.9\n---\n---\nuse_tools: all\n---\nBe short.");
  expect(variables).toMatchObject({
    AICHAT_PROVIDER: "claude",
    CLAUDE_API_KEY: "sk-some-key",
    AICHAT_FUNCTION_CALLING: "false",
    AICHAT_SAVE: "false",
  });
});

it.each(["Say __INPUT__ twice.", "### INPUT:\na\n### OUTPUT:\nb", "You run on {{__os__}}."])(
  "hands aichat a system text of which it would make something else before the prompt: %j",
  (system) => {
    const { args, input } = commandOf(aichatProgram, "openai:gpt-4o", withSystem(system));
    expect(args).toEqual(["-S", "--model=openai:gpt-4o"]);
    expect(input).toBe(`${system}\n\nHi`);
  },
);
