/**
 * Asks each row of a source and yields the results as they come. Takes at most `mostUnfinished` rows ahead of their
 * results, none while its reader holds one, and never keeps a result back because the source has no next row yet.
 * @throws what the source throws, or what `ask` rejects with.
 */
export async function* streamResults<Row, Result>(
  rows: Iterable<Row> | AsyncIterable<Row>,
  mostUnfinished: number,
  ask: (row: Row) => Promise<Result>,
): AsyncGenerator<Result> {
  const source = Symbol.asyncIterator in rows ? rows[Symbol.asyncIterator]() : rows[Symbol.iterator]();
  const finished: Result[] = [];
  let unfinished = 0;
  let state = "ready" as "ready" | "producing" | "ended";
  let failure: { readonly error: unknown } | undefined;
  let wake = () => {};
  const somethingHappened = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });

  async function takeRow(): Promise<void> {
    state = "producing";
    try {
      const next = await source.next();
      state = next.done === true ? "ended" : "ready";
      if (next.done !== true) void finish(next.value);
    } catch (error) {
      state = "ended";
      failure ??= { error };
    }
    wake();
  }

  async function finish(row: Row): Promise<void> {
    unfinished++;
    try {
      finished.push(await ask(row));
    } catch (error) {
      failure ??= { error };
    }
    unfinished--;
    wake();
  }

  try {
    for (;;) {
      while (finished.length > 0) yield finished.shift()!;
      if (failure !== undefined) throw failure.error;
      if (state === "ended" && unfinished === 0) return;
      const changed = somethingHappened();
      if (state === "ready" && unfinished < mostUnfinished) void takeRow();
      await changed;
    }
  } finally {
    // A source that is producing a row cannot be waited for: it may never have one.
    const ended = state === "ended" ? undefined : source.return?.();
    if (state === "ready") await ended;
    else Promise.resolve(ended).catch(() => {});
  }
}
