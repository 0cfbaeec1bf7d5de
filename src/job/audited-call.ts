/** One request that is about to leave: who is to see what. */
export interface AuditedCall {
  readonly batch: string;
  readonly row: number;
  /** From 1, as results count them. */
  readonly attempt: number;
  readonly tier: string;
  /** The provider's id of the model, and the name by which the row was routed to it. */
  readonly model: string;
  readonly alias: string;
  readonly host: string;
  readonly location: "local" | "cloud";
  readonly private: boolean;
  /** The messages that are sent; only their keyed hash is written. */
  readonly messages: unknown;
}
