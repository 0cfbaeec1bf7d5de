import type { ConsensusRule } from "../job/consensus.ts";

/** The frozen configuration as the rest of the program sees it, whatever files, flags and variables it came from. */

export const providers = [
  "anthropic",
  "openai",
  "openai-compatible",
  "vllm",
  "localai",
  "ollama",
  "llama-cpp",
  "aichat",
  "claude-cli",
] as const;
export type Provider = (typeof providers)[number];

export interface Limits {
  readonly rpm?: number;
  readonly tpm?: number;
  readonly inputTpm?: number;
  readonly outputTpm?: number;
}

export interface TierConfig {
  readonly name: string;
  readonly provider: Provider;
  /** One URL per endpoint; empty for providers that need none (llama-cpp, the CLIs). */
  readonly baseUrls: readonly string[];
  readonly apiKeyEnv?: string;
  readonly location: "local" | "cloud";
  readonly concurrency: number | "auto";
  readonly maxConcurrency?: number;
  readonly limits?: Limits | "auto";
  /** Bound on a whole call, headers and body. Default 600,000 ms. */
  readonly requestTimeoutMs: number;
  /** How long a row waits for a tier that is down before it moves to its next model. Default 300,000 ms. */
  readonly fallbackAfterMs: number;
  readonly dailyBudgetUsd?: number;
}

export interface Price {
  readonly inputPerMTok: number;
  readonly outputPerMTok: number;
  readonly cachedInputPerMTok?: number;
  readonly source?: string;
  readonly date?: string;
}

export interface ModelConfig {
  readonly alias: string;
  readonly tier: string;
  /** The provider's id, or "auto": the server's only or first model. */
  readonly model: string;
  /** Default 2048; used when a row gives none. */
  readonly maxOutputTokens: number;
  readonly contextTokens?: number;
  /** Request options used when a row gives none. */
  readonly defaults: {
    readonly temperature?: number;
    readonly topP?: number;
    readonly stop?: readonly string[];
    readonly seed?: number;
    /** OpenAI's: `flex` is slower and costs half. */
    readonly serviceTier?: "auto" | "default" | "flex";
    /** vLLM's, of servers that schedule by priority: lower is earlier. */
    readonly priority?: number;
    /** `claude`'s own bound on what one call may go on to spend. */
    readonly maxBudgetUsd?: number;
  };
  readonly limits?: Limits;
  readonly price?: Price;
}

export interface TaskConfig {
  readonly name: string;
  readonly primary: string;
  readonly fallback: readonly string[];
  readonly private: boolean;
  readonly prefer: "listed" | "cheapest" | "fastest";
  /** Rows of this task are asked of several models, instead of its route. */
  readonly consensus?: ConsensusRule;
  readonly why?: string;
}

/** What the holder of a token may do, each with all before it. */
export const roles = ["read", "submit", "admin"] as const;
export type Role = (typeof roles)[number];

/** What `serve` is told. */
export interface ServeConfig {
  /** Whether a batch ends when its completion window does. Default "enforced". */
  readonly completionWindow: "enforced" | "advisory";
  /** How long ended batches and files stay; Infinity for ever. */
  readonly retentionMs: number;
  readonly tokens: readonly ServeToken[];
  readonly limits: ServeLimits;
  readonly webhook: {
    /** Told of every batch that names no URL of its own. */
    readonly url?: string;
    /** The variable that holds the secret (`whsec_…`). Default: one is made and kept in the data directory. */
    readonly secretEnv?: string;
    /** Private and loopback addresses may be told too. Default false. */
    readonly allowPrivate: boolean;
  };
}

export interface ServeToken {
  /** Of the token, in hex, small letters. */
  readonly sha256: string;
  readonly role: Role;
  readonly name: string;
}

export interface ServeLimits {
  /** Of one upload. Default 20 GiB. */
  readonly maxFileBytes: number;
  /** Of any other request. Default 256 MiB, as Anthropic's batches come in one. */
  readonly maxBodyBytes: number;
  /** Default 10,000,000. */
  readonly maxRowsPerBatch: number;
  /** Default 16. */
  readonly maxUploadsAtOnce: number;
  /** Of one token, or of one address where there is none. Default 60,000. */
  readonly maxRequestsPerMinute: number;
}

export interface Config {
  readonly fleet: string;
  readonly defaultTask: string;
  readonly tiers: Readonly<Record<string, TierConfig>>;
  readonly models: Readonly<Record<string, ModelConfig>>;
  readonly tasks: Readonly<Record<string, TaskConfig>>;
  readonly policy: { readonly trustedHosts: readonly string[]; readonly detect: readonly string[] };
  readonly serve: ServeConfig;
  /** Where it was read from, for messages: a path, or "packaged". */
  readonly source: string;
  /** The API key of a tier, or undefined; a function, so that no key is ever printed with the config. */
  readonly keyOf: (tierName: string) => string | undefined;
  /** The same as its place has it now. Rejects with a UserError when the key file may not be read. */
  readonly rereadKeyOf: (tierName: string) => Promise<string | undefined>;
}
