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
  /** In a judge's place: which free texts mean the same, their embeddings say. */
  readonly similarity?: Similarity;
  /** By how much numbers of JSON answers may differ. Default 0. */
  readonly tolerance?: number;
}

export interface Similarity {
  /** A model that makes embeddings. */
  readonly model: string;
  /** Above 0, at most 1: answers whose embeddings have a cosine of at least this mean the same. */
  readonly atLeast: number;
}

/** Who says which free texts mean the same, where anybody does. */
export const judgeOf = ({ judge, similarity }: Pick<ConsensusRule, "judge" | "similarity">): string | undefined =>
  similarity?.model ?? judge;

/** Weights are a user's decimals: 0.1 + 0.2 must count as 0.3. */
export const weightTolerance = 1e-9;

export const weightOf = ({ weights }: ConsensusRule, model: string): number =>
  weights !== undefined && Object.hasOwn(weights, model) ? weights[model]! : 1;

/** One model's vote on a row, as far as it is known. */
export type Vote =
  /** `late`: asked so long ago that nobody counts on it, though it may still come. */
  | { readonly model: string; readonly state: "unasked" | "asked" | "late" }
  /** Failed, or barred: no vote, but its weight counts. */
  | { readonly model: string; readonly state: "failed"; readonly reason: string }
  | { readonly model: string; readonly state: "answered"; readonly text: string; readonly json?: unknown };

/** Models that may vote on a row. */
export const mostVoters = 14;
/**
 * A row's votes have places of their own: one a model of its rule, in order, then the judge (or the model whose embeddings
 * say what is the same) and the stronger model.
 */
export const slotsPerRow = 16;
export const judgeSlot = 14;
export const strongerSlot = 15;
export const rowOfPlace = (place: number): number => Math.floor(place / slotsPerRow);
export const slotOfPlace = (place: number): number => place % slotsPerRow;

/** Votes are rows of a batch of their own, whose rows are the places of the votes. */
const votesSuffix = ".votes";
export const votesBatchOf = (batchId: string): string => `${batchId}${votesSuffix}`;
export const isVotesBatch = (batchId: string): boolean => batchId.endsWith(votesSuffix);
/** The batch that a row or a vote on it belongs to. */
export const batchOfRows = (batchId: string): string =>
  isVotesBatch(batchId) ? batchId.slice(0, -votesSuffix.length) : batchId;
/** The row of the input that a row of this batch is, or is a vote on. */
export const rowOfVote = (batchId: string, row: number): number => (isVotesBatch(batchId) ? rowOfPlace(row) : row);
