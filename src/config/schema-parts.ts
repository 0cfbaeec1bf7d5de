import { z } from "zod";

/** An object without other keys: for an unknown one the message is the list of the keys there are. */
export function closed<Shape extends z.ZodRawShape>(shape: Shape, expected: string) {
  return z.strictObject(shape, {
    error: (issue) => (issue.code === "unrecognized_keys" ? Object.keys(shape).join(", ") : expected),
  });
}

export const wholeFrom = (least: number, most: number, expected: string) =>
  z.number(expected).int(expected).min(least, expected).max(most, expected);

export const text = (expected: string) => z.string(expected).regex(/\S/, expected);

export const variableName = (() => {
  const expected = "the name of an environment variable";
  return z.string(expected).regex(/^[A-Za-z_][A-Za-z0-9_]*$/, expected);
})();
