import { createRequire } from "node:module";
import type { Ajv, ErrorObject, Options, ValidateFunction } from "ajv";
import { messageOf } from "./errors.ts";
import type { JsonSchema } from "./row.ts";

/** What is wrong with a value, a sentence each that quotes nothing of it but names of properties; empty when it fits. */
export type SchemaCheck = (value: unknown) => readonly string[];

/** A schema made ready, or why it cannot be. */
export type CompiledSchema =
  | { readonly ok: true; readonly check: SchemaCheck }
  | { readonly ok: false; readonly reason: string };

/** Schemas of recent rows; most runs have one, and making one ready takes milliseconds. */
const compiled = new Map<string, CompiledSchema>();
const mostCompiled = 200;
const mostComplaints = 5;
const olderDraft = /^https?:\/\/json-schema\.org\/draft-0[467]\//;

/**
 * Nothing is fetched for a `$ref`, `format` says nothing, and a keyword that nobody knows is no mistake. Without `$schema`
 * it is read as draft 2020-12.
 */
export function compileSchema(schema: JsonSchema): CompiledSchema {
  const key = JSON.stringify(schema);
  let known = compiled.get(key);
  if (known === undefined) {
    known = compile(schema);
    compiled.set(key, known);
    if (compiled.size > mostCompiled) compiled.delete(compiled.keys().next().value!);
  }
  return known;
}

function compile({ $schema: draft, ...schema }: JsonSchema): CompiledSchema {
  // Its promises are for checks that ask a database.
  if (schema.$async !== undefined) return { ok: false, reason: "$async is not supported" };
  const ajv = ajvFor(typeof draft === "string" && olderDraft.test(draft) ? "ajv" : "ajv/dist/2020.js");
  let validate: ValidateFunction;
  try {
    validate = ajv.compile(schema);
  } catch (error) {
    return { ok: false, reason: messageOf(error).slice(0, 300) };
  } finally {
    // It would keep every schema that it has seen.
    ajv.removeSchema(schema);
  }
  return {
    ok: true,
    check: (value) => (validate(value) ? [] : (validate.errors ?? []).slice(0, mostComplaints).map(complaintOf)),
  };
}

const require = createRequire(import.meta.url);
const options: Options = {
  strict: false,
  validateFormats: false,
  allErrors: true,
  logger: false,
};
const validators = new Map<string, Ajv>();

/** Loaded when a schema is there: most runs have none, and it takes a tenth of a second. */
function ajvFor(draft: "ajv" | "ajv/dist/2020.js"): Ajv {
  let ajv = validators.get(draft);
  if (ajv === undefined) {
    const module = require(draft) as { readonly default: new (options: Options) => Ajv };
    ajv = new module.default(options);
    validators.set(draft, ajv);
  }
  return ajv;
}

function complaintOf({ instancePath, message, params }: ErrorObject): string {
  const { allowedValues, additionalProperty } = params as { allowedValues?: unknown; additionalProperty?: unknown };
  const more =
    allowedValues !== undefined
      ? `: ${JSON.stringify(allowedValues)}`
      : typeof additionalProperty === "string"
        ? `: ${JSON.stringify(additionalProperty)}`
        : "";
  return `${instancePath === "" ? "the answer" : instancePath} ${message ?? "is not what the schema asks for"}${more}`;
}
