import { availableParallelism } from "node:os";
import { describe, expect, it } from "vitest";
import { providerFacts } from "../../src/config/providers.ts";
import type { AnswerForm } from "../../src/job/row.ts";
import type { BackendCall } from "../../workers/adapter.ts";
import { cliAdapter } from "../../workers/cli-adapter.ts";
import { adapters } from "../../workers/index.ts";
import { isAlive } from "../support/cli.ts";
import { until } from "../support/until.ts";
import { apiKey, callWith, prompt } from "./dialects.ts";
import { type ProgramDialect, programs, simulateProgram } from "./programs.ts";

const answering = 'cat > "$HOME/stdin"; cat "$HOME/answer"';
const idle = new AbortController().signal;

it("covers every adapter that runs a program, none of which is ever local", () => {
  const neverLocal = Object.keys(adapters).filter((name) => providerFacts[name as keyof typeof adapters].neverLocal);
  expect(Object.keys(programs).sort()).toEqual(neverLocal.sort());
});

describe.each(Object.entries(programs) as [keyof typeof adapters, ProgramDialect][])(
  "the adapter for %s",
  (provider, dialect) => {
    const { name } = dialect.program;
    const simulate = (script: string) => simulateProgram(dialect, script);
    const call = (change: Partial<BackendCall> = {}) => callWith({ model: dialect.model, ...change });
    const ask = (content: string) => ({ request: { messages: [{ role: "user" as const, content }] } });
    const withSystem = (system: string) => ({
      request: {
        messages: [
          { role: "system" as const, content: system },
          { role: "user" as const, content: prompt },
        ],
      },
    });
    const pidIn = (read: () => string) => until("the script to say its pid", () => Number(readOrEmpty(read)) || 0);

    it("gives the answer, and keeps no more than a process per core by default", async () => {
      const outcome = await simulate(answering).endpoint.call(call());
      expect(outcome).toMatchObject({ kind: "answered", answer: { text: "Hello 🐈", finishReason: "stop" } });
      expect(adapters[provider].provider).toBe(provider);
      expect(adapters[provider].defaultConcurrency).toBe(availableParallelism());
    });

    it.each([
      ["quotes and newlines", `'single' "double" \`back\` $HOME $(id) \\ ; | & > <\n\r\n\ttab`],
      ["a leading dash", "--help -- me"],
      ["a megabyte", "word 🐈 ".repeat(100_000)],
    ])("hands over a prompt with %s as it is, and not as an argument", async (_what, content) => {
      const simulated = simulate(`printf '%s\\n' "$@" > "$HOME/args"; ${answering}`);
      expect(await simulated.endpoint.call(call(ask(content)))).toMatchObject({ kind: "answered" });
      expect(simulated.file("stdin") === content).toBe(true);
      expect(simulated.file("args")).not.toContain(content.slice(0, 12));
    });

    it("hands over the system's text as such, and before the prompt when it does not fit an argument", async () => {
      const simulated = simulate(`for one; do last=$one; done; printf '%s\\n' "$last" > "$HOME/args"; ${answering}`);
      await simulated.endpoint.call(call(withSystem('-be "short"\n---\nand $HOME')));
      expect(dialect.systemIn(simulated.file("args"))).toBe('-be "short"\n---\nand $HOME');
      expect(simulated.file("stdin")).toBe(prompt);
      for (const system of ["long ".repeat(40_000), "null \0 byte"]) {
        expect(await simulated.endpoint.call(call(withSystem(system)))).toMatchObject({ kind: "answered" });
        expect(simulated.file("stdin") === `${system}\n\n${prompt}`).toBe(true);
      }
    });

    it("shows a conversation as one text", async () => {
      const simulated = simulate(answering);
      const messages = [
        { role: "user" as const, content: "Hi" },
        { role: "assistant" as const, content: "Hello" },
        { role: "user" as const, content: "And now?" },
      ];
      await simulated.endpoint.call(call({ request: { messages } }));
      expect(simulated.file("stdin")).toBe("[user]\nHi\n\n[assistant]\nHello\n\n[user]\nAnd now?");
    });

    it("starts it with the key and what it needs of the surroundings, and nothing else of them", async () => {
      const simulated = simulate(`env > "$HOME/env"; ${answering}`);
      await simulated.endpoint.call(call());
      const variables = simulated.file("env");
      expect(variables).toContain(`${dialect.keyVariable}=${apiKey}\n`);
      expect(variables).toContain("LANG=C\n");
      expect(variables).not.toContain("secret");
    });

    it("names the options that it left out, and refuses to where the row is strict", async () => {
      const { endpoint } = simulate(answering);
      const request = { ...ask("Hi").request, seed: 7, maxOutputTokens: 5 };
      expect(await endpoint.call(call({ request }))).toMatchObject({
        answer: { omittedOptions: ["max_tokens", "seed"] },
      });
      expect(await endpoint.call(call({ request, strict: true }))).toMatchObject({ kind: "rejected" });
      expect(await endpoint.call(call({ defaults: { seed: 7 } }))).not.toHaveProperty("answer.omittedOptions");
    });

    it("is told a schema by its option if it has one, and in words else, as when it does not fit an argument", async () => {
      const simulated = simulate(`printf '%s\\n' "$@" > "$HOME/args"; ${answering}`);
      const inForm = (answerForm: AnswerForm) =>
        simulated.endpoint.call(call({ request: { ...ask("Which?").request, answerForm } }));
      const inWords = (schema: object) =>
        `Which?\n\nAnswer with JSON alone that fits this JSON schema: ${JSON.stringify(schema)}`;
      expect(await inForm({ schema: { type: "integer" } })).toMatchObject({ kind: "answered" });
      const isTold = simulated.file("args").includes('--json-schema={"type":"integer"}');
      expect(isTold).toBe(dialect.program.takesSchema);
      expect(simulated.file("stdin")).toBe(isTold ? "Which?" : inWords({ type: "integer" }));
      const long = { type: "integer", description: "long ".repeat(40_000) };
      expect(await inForm({ schema: long })).toMatchObject({ kind: "answered" });
      expect(simulated.file("stdin") === inWords(long)).toBe(true);
      expect(await inForm({ choices: ["a", "b"] })).toMatchObject({ kind: "answered" });
      expect(simulated.file("stdin")).toBe("Which?\n\nAnswer with exactly one of these and nothing else: a | b");
    });

    it("refuses images and an empty prompt", async () => {
      const { endpoint } = simulate(answering);
      const content = [{ type: "image_url", image_url: { url: "https://example.com/cat.png" } }];
      expect(await endpoint.call(call({ request: { messages: [{ role: "user", content }] } }))).toMatchObject({
        kind: "rejected",
        message: expect.stringContaining("images"),
      });
      expect(await endpoint.call(call(ask(" \n")))).toMatchObject({ kind: "rejected" });
    });

    it("never gives it a private row, whatever the config says of its place", async () => {
      const simulated = simulateProgram(dialect, `touch "$HOME/stdin"; ${answering}`, { location: "local" });
      expect(await simulated.endpoint.call(call({ private: true }))).toMatchObject({ kind: "refused-by-policy" });
      expect(readOrEmpty(() => simulated.file("stdin"))).toBe("");
      expect(() => simulated.file("stdin")).toThrow();
    });

    it.each([
      ["prints nothing", "exit 0", { kind: "invalid-answer" }],
      ["fails without a word", "exit 3", { kind: "server-error", message: expect.stringContaining("exit code 3") }],
      [
        "dies by a signal",
        "echo oh no >&2; kill -SEGV $$",
        { kind: "server-error", message: expect.stringMatching(/SIGSEGV: oh no/) },
      ],
      [
        "writes 50 MB",
        "head -c 50000000 /dev/zero",
        { kind: "invalid-answer", message: expect.stringContaining("16 MB") },
      ],
      ["complains for 50 MB", "head -c 50000000 /dev/zero >&2; exit 3", { kind: "server-error" }],
      [
        "asks for input",
        "cat > /dev/null; read -r more || exit 4",
        { message: expect.stringContaining("exit code 4") },
      ],
      ["does not read its input", `exec < /dev/null; cat "$HOME/answer"`, { kind: "answered" }],
    ])("has an outcome for one that %s", async (_what, script, expected) => {
      expect(await simulate(script).endpoint.call(call(ask("long ".repeat(100_000))))).toMatchObject(expected);
    });

    it("ends one that never ends at the deadline, with what it started", async () => {
      const simulated = simulate('sleep 600 & echo $! > "$HOME/child"; wait');
      expect(await simulated.endpoint.call(call({ timeoutMs: 2_000 }))).toMatchObject({ kind: "timed-out" });
      await until("its child to end", () => !isAlive(Number(simulated.file("child"))));
    });

    it("ends one that does not listen at an abort, by force", async () => {
      const simulated = simulate("trap '' TERM; echo $$ > \"$HOME/pid\"; while :; do sleep 0.05; done");
      const abort = new AbortController();
      const running = simulated.endpoint.call(call({ signal: abort.signal }));
      const pid = await pidIn(() => simulated.file("pid"));
      abort.abort();
      expect(await running).toMatchObject({ kind: "cancelled" });
      expect(isAlive(pid)).toBe(false);
      expect(await simulated.endpoint.call(call({ signal: AbortSignal.abort() }))).toMatchObject({ kind: "cancelled" });
    });

    it("ends what is running when it is closed", async () => {
      const simulated = simulate('echo $$ > "$HOME/pid"; exec sleep 600');
      const running = simulated.endpoint.call(call());
      const pid = await pidIn(() => simulated.file("pid"));
      await simulated.endpoint.close();
      expect(await running).toMatchObject({ kind: "cancelled" });
      expect(isAlive(pid)).toBe(false);
    });

    it("takes the answer of one that leaves a child with its output open, and ends the child", async () => {
      const simulated = simulate(`sleep 600 & echo $! > "$HOME/child"; ${answering}`);
      expect(await simulated.endpoint.call(call())).toMatchObject({ kind: "answered" });
      await until("its child to end", () => !isAlive(Number(simulated.file("child"))));
    });

    it("quotes it without the key and without the prompt", async () => {
      const keyless = await simulate(`echo "bad key $${dialect.keyVariable}" >&2; exit 3`).endpoint.call(call());
      expect(keyless).toMatchObject({ message: expect.stringContaining("bad key [key]") });
      const promptless = await simulate("cat >&2; exit 3").endpoint.call(call());
      expect(promptless).toMatchObject({ message: expect.not.stringContaining("Mitzi") });
    });

    it("is usable when its program runs, and says when it is not there", async () => {
      // As aichat, which without a config file does not start without this.
      const needy = name === "aichat" ? '[ -n "$AICHAT_PROVIDER" ] || exit 1; ' : "";
      const listing = simulate(`${needy}echo openai:gpt-4o; echo openai:gpt-4o-mini`);
      const probe = await listing.endpoint.probe(idle);
      expect(probe).toMatchObject({ usable: true });
      expect((probe as { models: readonly string[] }).models.length).toBeGreaterThan(0);
      expect(await simulate("echo broken >&2; exit 1").endpoint.probe(idle)).toMatchObject({
        usable: false,
        outcome: { kind: "unreachable", message: expect.stringContaining("broken") },
      });
      const nowhere = cliAdapter(dialect.program, { PATH: "/nowhere" }).connect({
        ...{ tier: "some-tier", baseUrl: "", location: "cloud", trustedHosts: [], concurrency: 1 },
      });
      const broken = simulateProgram(dialect, "", {}, "#!/no/such/interpreter");
      expect(await broken.endpoint.call(call())).toMatchObject({ kind: "unreachable" });
      const missing = { kind: "unreachable", message: `${name} not found on PATH` };
      expect(await nowhere.probe(idle)).toEqual({ usable: false, outcome: missing });
      expect(await nowhere.call(call())).toEqual(missing);
    });
  },
);

/** What is not there yet reads as nothing. */
function readOrEmpty(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}
