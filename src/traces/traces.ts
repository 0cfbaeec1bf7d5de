import type { Telemetry } from "bullmq";
import type { EndedCall } from "../job/ended-call.ts";

/** Where what happens is told as it happens, span by span; never with anything that a row holds. */
export interface Traces {
  /** For BullMQ's queues and workers. */
  readonly ofQueues: Telemetry;
  /** One span for a call that has ended, under that of its job. */
  callEnded(call: EndedCall): void;
  /** Sends what is left. */
  close(): Promise<void>;
}
