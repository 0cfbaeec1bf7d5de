import type { Adapter, Endpoint } from "../../workers/adapter.ts";
import type { TierConfig } from "../config/config.ts";
import type { Outcome } from "../job/outcome.ts";
import { createKeyRotation } from "./key-rotation.ts";
import { replaceableEndpoint } from "./replaceable-endpoint.ts";

export interface ConnectionOptions {
  readonly tier: TierConfig;
  readonly adapter: Adapter;
  readonly apiKey: string | undefined;
  /** The key as its place has it now, asked when the one in use is refused. */
  readonly rereadKey: () => Promise<string | undefined>;
  readonly trustedHosts: readonly string[];
}

export interface ConnectedEndpoints {
  readonly urls: readonly string[];
  /** In the order of the URLs. */
  readonly endpoints: readonly Endpoint[];
  /** To be told of every outcome: a refused key is looked up again, and all connect with the new one if there is one. */
  readonly noteOutcome: (outcome: Outcome) => void;
  /** Why it could not be looked up, if so. */
  readonly keyTrouble: () => string | undefined;
}

/** @param onNewKey told after all have connected with another key. */
export function connectEndpoints(
  { tier, adapter, apiKey, rereadKey, trustedHosts }: ConnectionOptions,
  concurrency: number,
  onNewKey: () => void,
): ConnectedEndpoints {
  const urls = tier.baseUrls.length > 0 ? tier.baseUrls : [""];
  const connect = (baseUrl: string, key: string | undefined): Endpoint =>
    adapter.connect({
      tier: tier.name,
      baseUrl,
      ...(key === undefined ? {} : { apiKey: key }),
      location: tier.location,
      trustedHosts,
      concurrency,
    });
  const endpoints = urls.map((baseUrl) => replaceableEndpoint(connect(baseUrl, apiKey)));
  const rotation = createKeyRotation(apiKey, rereadKey, (newKey) => {
    urls.forEach((baseUrl, at) => {
      endpoints[at]!.replace(connect(baseUrl, newKey));
    });
    onNewKey();
  });
  return { urls, endpoints, noteOutcome: rotation.note, keyTrouble: rotation.trouble };
}
