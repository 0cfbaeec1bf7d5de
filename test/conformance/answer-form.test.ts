import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Endpoint } from "../../workers/adapter.ts";
import type { adapters } from "../../workers/index.ts";
import { replyJson, type ScriptedServer, startScriptedServer } from "../support/scripted-server.ts";
import { callWith, connectTo, type Dialect, dialects, forChat, prompt } from "./dialects.ts";

const schema = { type: "object", properties: { stars: { type: "integer" } }, required: ["stars"] };
const choices = ["good", "bad"];
const inWords = {
  schema: `Answer with JSON alone that fits this JSON schema: ${JSON.stringify(schema)}`,
  choices: "Answer with exactly one of these and nothing else: good | bad",
};
const callFor = (answerForm: { schema: typeof schema } | { choices: string[] }) =>
  callWith({ request: { messages: [{ role: "user", content: prompt }], answerForm } });

describe.each(Object.entries(dialects) as [keyof typeof adapters, Dialect][])(
  "the adapter for %s",
  (provider, dialect) => {
    let server: ScriptedServer;
    let endpoint: Endpoint;
    beforeAll(async () => {
      server = await startScriptedServer();
    });
    beforeEach(() => {
      endpoint = connectTo(provider, server);
      return () => endpoint.close();
    });
    afterAll(() => server.close());
    const bodies = () =>
      server.received.filter(({ path }) => path === dialect.chatPath).map(({ body }) => JSON.parse(body));
    const constrained = () => bodies().map((body) => dialect.constraintOf(body) !== undefined);
    const promptIn = (body: Record<string, unknown>) => JSON.stringify(dialect.messagesOf(body));
    const withWords = (words: string) => JSON.stringify(`${prompt}\n\n${words}`);

    it("has the backend hold an answer to a schema, and tells the model choices beside it", async () => {
      server.play(forChat(replyJson(200, dialect.answer('{"stars":4}'))));
      await endpoint.call(callFor({ schema }));
      await endpoint.call(callFor({ choices }));
      await endpoint.call(callWith());
      const [forSchema, forChoices, forNone] = bodies();
      expect(dialect.constraintOf(forSchema)).toEqual({ ...schema, additionalProperties: false });
      expect(promptIn(forSchema)).toContain(JSON.stringify(prompt));
      expect(dialect.constraintOf(forChoices)).toEqual(
        provider === "vllm"
          ? choices
          : {
              type: "object",
              properties: { choice: { type: "string", enum: choices } },
              required: ["choice"],
              additionalProperties: false,
            },
      );
      expect(promptIn(forChoices)).toContain(withWords(inWords.choices));
      expect(dialect.constraintOf(forNone)).toBeUndefined();
    });

    it("has room for the form of a label, though the row's limit is that of the label alone", async () => {
      server.play(forChat(replyJson(200, dialect.answer('{"choice":"good"}'))));
      const { request } = callFor({ choices });
      for (const maxOutputTokens of [1, 500])
        await endpoint.call(callWith({ request: { ...request, maxOutputTokens } }));
      const [tight, wide] = bodies().map((body) => dialect.optionsOf(body).max_tokens);
      expect(tight).toBeGreaterThanOrEqual('{"choice":"good"}'.length);
      expect(wide).toBe(500);
    });

    it("asks in words when the backend refuses that, and remembers it for this model and form", async () => {
      server.play(
        forChat((request, response) => {
          const refused = dialect.constraintOf(JSON.parse(request.body)) !== undefined;
          const answer = refused
            ? replyJson(400, dialect.error("unknown field: response_format"))
            : replyJson(200, dialect.answer("ok"));
          answer(request, response);
        }),
      );
      for (const form of ["schema", "schema", "choices"] as const) {
        const call = callFor(form === "schema" ? { schema } : { choices });
        expect(await endpoint.call(call)).toMatchObject({ kind: "answered" });
      }
      expect(bodies().map((body) => dialect.constraintOf(body) !== undefined)).toEqual([
        true,
        false,
        false,
        true,
        false,
      ]);
      expect(promptIn(bodies()[1])).toContain(withWords(inWords.schema));
      expect(promptIn(bodies()[4])).toContain(withWords(inWords.choices));
    });

    it("asks the next row as before when the backend refused the row itself", async () => {
      server.play(forChat(replyJson(400, dialect.error("this prompt is odd"))));
      expect(await endpoint.call(callFor({ schema }))).toMatchObject({ kind: "rejected" });
      expect(constrained()).toEqual([true, false]);
      server.play(forChat(replyJson(200, dialect.answer("ok"))));
      await endpoint.call(callFor({ schema }));
      expect(constrained()).toEqual([true]);
    });
  },
);
