/** Options that models cannot take and that were left out here, by alias. */
export interface OmittedOptions {
  note(alias: string, options: readonly string[]): void;
  all(): ReadonlyMap<string, ReadonlySet<string>>;
}

export function createOmittedOptions(): OmittedOptions {
  const omitted = new Map<string, Set<string>>();
  return {
    note(alias, options) {
      const known = omitted.get(alias) ?? new Set();
      for (const name of options) known.add(name);
      omitted.set(alias, known);
    },
    all: () => omitted,
  };
}
