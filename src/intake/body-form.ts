import type { AnswerForm } from "../job/row.ts";
import { answerFormOf } from "./answer-form.ts";

/** The form that the schema of an OpenAI chat body gives its answer, if any; or why no answer can be checked by it. */
export function formOfBody(body: { readonly response_format?: unknown }): AnswerForm | string | undefined {
  const { type, json_schema: named } = (body.response_format ?? {}) as {
    readonly type?: unknown;
    readonly json_schema?: { readonly schema?: unknown } | null;
  };
  const form = type === "json_schema" ? answerFormOf({ schema: named?.schema }) : undefined;
  return typeof form === "string" ? `body.response_format.json_schema: ${form}` : form;
}
