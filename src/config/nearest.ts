import { closest } from "fastest-levenshtein";

/**
 * The words that help who mistyped a name: the nearest of the names there are, and all of them while they are
 * at most `listUpTo`. Without any name it says so.
 */
export function suggestName(name: string, candidates: readonly string[], listUpTo = 16): string {
  if (candidates.length === 0) return "there is none";
  const lowerCase = new Map(candidates.map((candidate) => [candidate.toLowerCase(), candidate]));
  const nearest = lowerCase.get(closest(name.toLowerCase(), [...lowerCase.keys()]));
  const all = candidates.length > 1 && candidates.length <= listUpTo ? ` (there are: ${candidates.join(", ")})` : "";
  return `did you mean "${nearest}"?${all}`;
}
