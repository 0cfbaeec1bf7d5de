/** What holds things up right now, by the place where it shows. */
export interface Troubles {
  /** For one place: told of its trouble, and `undefined` when that is over. */
  at(place: string): (reason: string | undefined) => void;
  /** The one that came first. */
  first(): string | undefined;
}

export function createTroubles(): Troubles {
  const reasons = new Map<string, string>();
  return {
    at: (place) => (reason) => {
      if (reason === undefined) reasons.delete(place);
      else reasons.set(place, reason);
    },
    first: () => [...reasons.values()][0],
  };
}
