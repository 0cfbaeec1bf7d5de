import type { JsonSchema } from "../src/job/row.ts";
import { isObject } from "./backend-words.ts";

/** A schema as providers hold answers to it. */
export interface Constraint {
  /** Objects allow no properties but their own, unless it says otherwise: what fits it fits the given schema, too. */
  readonly schema: JsonSchema;
  /** OpenAI's `strict` takes it; without `strict` a schema is only a wish there. */
  readonly isStrict: boolean;
}

/** Keywords of OpenAI's list of what is not supported (2026-11); beside them, closing an object may make it impossible. */
const tooMuch = ["allOf", "oneOf", "not", "if", "dependentRequired", "dependentSchemas", "patternProperties"];

/** A pure function. */
export function constraintOf(schema: JsonSchema): Constraint {
  if (some(schema, (node) => tooMuch.some((keyword) => keyword in node))) return { schema, isStrict: false };
  const closed = close(schema);
  return { schema: closed, isStrict: closed.type === "object" && !some(closed, isLoose) };
}

function isObjectNode(node: JsonSchema): boolean {
  return node.type === "object" || isObject(node.properties);
}

/** An object that may lack a property, or have others. */
function isLoose(node: JsonSchema): boolean {
  if (!isObjectNode(node)) return false;
  const required = Array.isArray(node.required) ? node.required : [];
  const names = Object.keys(isObject(node.properties) ? node.properties : {});
  return node.additionalProperties !== false || !names.every((name) => required.includes(name));
}

function close(node: JsonSchema): JsonSchema {
  const inside = mapInside(node, close);
  const isOpen = isObject(node.properties) && node.additionalProperties === undefined;
  return isOpen ? { ...inside, additionalProperties: false } : inside;
}

function some(node: JsonSchema, test: (node: JsonSchema) => boolean): boolean {
  let found = test(node);
  mapInside(node, (inner) => {
    found ||= some(inner, test);
    return inner;
  });
  return found;
}

/** The node with its inner schemas changed; what is called like a keyword but is a property's name is left alone. */
function mapInside(node: JsonSchema, change: (inner: JsonSchema) => JsonSchema): JsonSchema {
  const inside = (value: unknown): unknown => (isObject(value) ? change(value) : value);
  const changed: Record<string, unknown> = { ...node };
  for (const keyword of ["properties", "$defs", "definitions"]) {
    const map = node[keyword];
    if (isObject(map)) {
      changed[keyword] = Object.fromEntries(Object.entries(map).map(([name, value]) => [name, inside(value)]));
    }
  }
  for (const keyword of ["items", "additionalProperties", "contains", "propertyNames"]) {
    if (keyword in node) changed[keyword] = inside(node[keyword]);
  }
  for (const keyword of ["anyOf", "prefixItems"]) {
    const list = node[keyword];
    if (Array.isArray(list)) changed[keyword] = list.map(inside);
  }
  return changed;
}
