import { HttpError } from "./http-error.ts";

type Query = Readonly<Record<string, unknown>>;

/** One value of a query; a name that comes twice is refused. */
export function textOf(query: Query, name: string): string | undefined {
  const value = query[name];
  if (value === undefined || typeof value === "string") return value;
  throw new HttpError(400, `${name}: expected one value, found several`, { param: name });
}

/** One of these words, or undefined when the query says nothing of it. */
export function wordOf(query: Query, name: string, words: readonly string[]): string | undefined {
  const text = textOf(query, name);
  if (text === undefined || words.includes(text)) return text;
  const message = `${name}: expected one of ${words.join(", ")}, found ${JSON.stringify(text.slice(0, 60))}`;
  throw new HttpError(400, message, { param: name });
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
  const start = after === undefined ? 0 : placeOf(all, "after", after) + 1;
  const page = all.slice(start, start + limit);
  return {
    object: "list",
    data: page.map(objectOf),
    first_id: page[0]?.id ?? null,
    last_id: page.at(-1)?.id ?? null,
    has_more: start + limit < all.length,
  };
}

/** One page as Anthropic's clients read it: what follows `after_id`, or what stands right before `before_id`. */
export function idPageOf<One extends { readonly id: string }>(
  all: readonly One[],
  query: Query,
  objectOf: (one: One) => Record<string, unknown>,
): Record<string, unknown> {
  const limit = limitOf(textOf(query, "limit"), 1_000, 20);
  const [after, before] = [textOf(query, "after_id"), textOf(query, "before_id")];
  if (after !== undefined && before !== undefined) {
    throw new HttpError(400, "expected after_id or before_id, found both; leave one out");
  }
  const start = after === undefined ? 0 : placeOf(all, "after_id", after) + 1;
  const end = before === undefined ? all.length : placeOf(all, "before_id", before);
  const page = before === undefined ? all.slice(start, start + limit) : all.slice(Math.max(0, end - limit), end);
  return {
    data: page.map(objectOf),
    has_more: page.length < end - start,
    first_id: page[0]?.id ?? null,
    last_id: page.at(-1)?.id ?? null,
  };
}

function placeOf(all: readonly { readonly id: string }[], name: string, cursor: string): number {
  const place = all.findIndex(({ id }) => id === cursor);
  if (place !== -1) return place;
  throw new HttpError(400, `${name}: expected an id of the list, found ${JSON.stringify(cursor.slice(0, 100))}`, {
    param: name,
  });
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
