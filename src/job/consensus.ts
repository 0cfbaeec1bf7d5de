/** How several models answer one row, and when they are said to agree. */
export interface ConsensusRule {
  /** Aliases, or `TIER/ID`, in the order in which `economy` asks them. */
  readonly models: readonly string[];
  /** Above 0, at most 1: the share of all weights that must agree. */
  readonly threshold: number;
  /** Of models that count for more or less than 1. */
  readonly weights?: Readonly<Record<string, number>>;
  /** Asks no more models than the outcome needs, instead of all at once. */
  readonly economy?: boolean;
  /** A stronger model that decides where the others do not agree. */
  readonly escalate?: string;
  /** A model that says which free texts mean the same, where they differ in their words. */
  readonly judge?: string;
  /** By how much numbers of JSON answers may differ. Default 0. */
  readonly tolerance?: number;
}

/** One model's vote on a row, as far as it is known. */
export type Vote =
  | { readonly model: string; readonly state: "unasked" | "asked" }
  /** Failed, or barred: no vote, but its weight counts. */
  | { readonly model: string; readonly state: "failed"; readonly reason: string }
  | { readonly model: string; readonly state: "answered"; readonly text: string; readonly json?: unknown };
