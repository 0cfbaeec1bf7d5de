import type { AnswerForm, PromptRequest } from "../job/row.ts";
import { answerFormOf } from "./answer-form.ts";

/** A schema as a provider takes it; another type (plain text, any JSON) is no form that can be checked. */
interface Format {
  readonly type?: unknown;
  readonly schema?: unknown;
}
type Formatted = { readonly format?: Format | null } | null | undefined;

/** The form that a provider's own request gives its answer, if any; or why no answer can be checked by it. */
export function formOfRequest({ openaiBody, anthropicBody, endpoint }: PromptRequest): AnswerForm | string | undefined {
  if (anthropicBody !== undefined) {
    return formIn((anthropicBody.output_config as Formatted)?.format, "params.output_config.format");
  }
  if (openaiBody === undefined) return undefined;
  if (endpoint === undefined) return formOfBody(openaiBody);
  return endpoint === "/v1/responses" ? formIn((openaiBody.text as Formatted)?.format, "body.text.format") : undefined;
}

/** The same of an OpenAI chat body. */
export function formOfBody(body: { readonly response_format?: unknown }): AnswerForm | string | undefined {
  const { type, json_schema: named } = (body.response_format ?? {}) as {
    readonly type?: unknown;
    readonly json_schema?: { readonly schema?: unknown } | null;
  };
  return formIn({ type, schema: named?.schema }, "body.response_format.json_schema");
}

function formIn(format: Format | null | undefined, where: string): AnswerForm | string | undefined {
  const form = format?.type === "json_schema" ? answerFormOf({ schema: format.schema }) : undefined;
  return typeof form === "string" ? `${where}: ${form}` : form;
}
