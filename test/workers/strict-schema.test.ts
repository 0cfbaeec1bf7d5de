import { expect, it } from "vitest";
import { constraintOf } from "../../workers/strict-schema.ts";

const text = { type: "string" };

it("closes objects wherever they are, which makes a schema strict when nothing in it is optional", () => {
  const person = { type: "object", properties: { name: text }, required: ["name"] };
  const schema = {
    type: "object",
    properties: { people: { type: "array", items: person }, boss: { anyOf: [person, { type: "null" }] } },
    required: ["people", "boss"],
    $defs: { person },
  };
  const closed = { ...person, additionalProperties: false };
  expect(constraintOf(schema)).toEqual({
    schema: {
      type: "object",
      properties: { people: { type: "array", items: closed }, boss: { anyOf: [closed, { type: "null" }] } },
      required: ["people", "boss"],
      $defs: { person: closed },
      additionalProperties: false,
    },
    isStrict: true,
  });
});

it("is not strict with an optional property, with open objects, or when it is no object itself", () => {
  for (const schema of [
    { type: "object", properties: { name: text } },
    { type: "object", properties: { a: { type: "object" } }, required: ["a"] },
    { type: "object", properties: { name: text }, required: ["name"], additionalProperties: true },
    { type: "object", properties: {}, required: [], additionalProperties: text },
    { type: "array", items: text },
    { enum: ["a"] },
  ]) {
    expect(constraintOf(schema).isStrict, JSON.stringify(schema)).toBe(false);
  }
});

it("leaves a schema as it is where closing an object could make it impossible", () => {
  const schema = {
    allOf: [
      { type: "object", properties: { a: text } },
      { type: "object", properties: { b: text } },
    ],
  };
  expect(constraintOf(schema)).toEqual({ schema, isStrict: false });
});

it("does not take the name of a property for a keyword", () => {
  const schema = {
    type: "object",
    properties: { not: text, properties: text, items: text },
    required: ["not", "properties", "items"],
  };
  expect(constraintOf(schema)).toEqual({ schema: { ...schema, additionalProperties: false }, isStrict: true });
});
