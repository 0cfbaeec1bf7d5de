import type { ModelConfig, Provider } from "../src/config/config.ts";
import type { Outcome } from "../src/job/outcome.ts";
import type { PromptRequest } from "../src/job/row.ts";

/** What an adapter needs to know of one endpoint of one tier. */
export interface EndpointOptions {
  readonly tier: string;
  /** Empty string for providers that need none. */
  readonly baseUrl: string;
  readonly apiKey?: string;
  readonly location: "local" | "cloud";
  /** Hosts that count as local although their addresses are public. */
  readonly trustedHosts: readonly string[];
  /** Connections worth keeping open. */
  readonly concurrency: number;
}

/** One call for one row. */
export interface BackendCall {
  /** The provider's model id; never "auto". */
  readonly model: string;
  readonly request: PromptRequest;
  /** Of the row, else of the model. */
  readonly maxOutputTokens: number;
  readonly contextTokens?: number;
  readonly defaults: ModelConfig["defaults"];
  /** The row's form of an answer is asked for in words: its adapter found that the backend cannot be held to it. */
  readonly formInWords?: boolean;
  /** An option that this backend cannot take fails the row (`rejected`) instead of being left out. */
  readonly strict: boolean;
  /** A private row: refused at the socket unless the address is local. */
  readonly private: boolean;
  /** Aborted by a stop, a cancel or a deadline. */
  readonly signal: AbortSignal;
  /** Bound on the whole call, headers and body. */
  readonly timeoutMs: number;
  /** Told of the answer's text as it comes; an adapter that cannot do that leaves it, and the answer has the text. */
  readonly onText?: (delta: string) => void;
}

/** What a probe found: usable now, or the reason why not as the Outcome a call would have had. */
export type Probe =
  | { readonly usable: true; readonly models: readonly string[] }
  | { readonly usable: false; readonly outcome: Exclude<Outcome, { kind: "answered" }> };

export interface Gauges {
  /** Calls that the server works on, whoever sent them. */
  readonly running: number;
  /** Calls that wait there. */
  readonly waiting: number;
}

/** A connection to one endpoint. No method rejects: every end is an Outcome. */
export interface Endpoint {
  call(call: BackendCall): Promise<Outcome>;
  /** A cheap question that costs no tokens: is the server there, ready, and which models has it (its own order). */
  probe(signal: AbortSignal): Promise<Probe>;
  /**
   * Has the server fetch a model that it lacks, where it can; resolves with why it could not.
   * @param onProgress told how far it is, in words for the display.
   */
  pull?(model: string, onProgress: (progress: string) => void, signal: AbortSignal): Promise<string | undefined>;
  /**
   * What the server says of its queue, asked about once a second while calls are in flight. "none": it does not tell, do
   * not ask again; undefined: not this time.
   */
  gauges?(signal: AbortSignal): Promise<Gauges | "none" | undefined>;
  close(): Promise<void>;
}

/** The code that speaks one provider's protocol. */
export interface Adapter {
  readonly provider: Provider;
  /** Calls in flight per endpoint to begin with when `concurrency` is "auto". */
  readonly defaultConcurrency: number;
  /** "auto" stays at the default: more calls at once could not be more work done. Default false. */
  readonly hasFixedConcurrency?: boolean;
  /** True when it needs a base URL. */
  readonly needsBaseUrl: boolean;
  connect(options: EndpointOptions): Endpoint;
}
