import { HttpError } from "./http-error.ts";

type Query = Readonly<Record<string, unknown>>;

/** One value of a query; a name that comes twice is refused. */
export function textOf(query: Query, name: string): string | undefined {
  const value = query[name];
  if (value === undefined || typeof value === "string") return value;
  throw new HttpError(400, `${name}: expected one value, found several`, { param: name });
}

/** One page of a list as OpenAI's clients read it: by the cursor `after` and `limit`. */
export function pageOf<One extends { readonly id: string }>(
  all: readonly One[],
  query: Query,
  { most, usual }: { readonly most: number; readonly usual: number },
  objectOf: (one: One) => Record<string, unknown>,
): Record<string, unknown> {
  const limit = limitOf(textOf(query, "limit"), most, usual);
  const after = textOf(query, "after");
  const start = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1;
  if (after !== undefined && start === 0) {
    throw new HttpError(400, `after: expected an id of the list, found ${JSON.stringify(after.slice(0, 100))}`, {
      param: "after",
    });
  }
  const page = all.slice(start, start + limit);
  return {
    object: "list",
    data: page.map(objectOf),
    first_id: page[0]?.id ?? null,
    last_id: page.at(-1)?.id ?? null,
    has_more: start + limit < all.length,
  };
}

function limitOf(text: string | undefined, most: number, usual: number): number {
  if (text === undefined) return usual;
  const limit = Number(text);
  if (/^\d+$/.test(text) && limit >= 1 && limit <= most) return limit;
  throw new HttpError(
    400,
    `limit: expected a whole number from 1 to ${most}, found ${JSON.stringify(text.slice(0, 60))}`,
    {
      param: "limit",
    },
  );
}
