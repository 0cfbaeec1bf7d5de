import type { Adapter, Endpoint, EndpointOptions } from "../../workers/adapter.ts";
import type { Config, TierConfig } from "../config/config.ts";
import { keyHome, mendOf } from "../config/mend.ts";
import { providerFacts } from "../config/providers.ts";
import type { Outcome } from "../job/outcome.ts";

/** One server of a tier, as a probe found it. */
export interface EndpointLook {
  readonly baseUrl: string;
  readonly ready: boolean;
  readonly models: readonly string[];
  readonly program?: string;
  readonly reason?: string;
  readonly mend?: string;
}

/**
 * `ready`: it can be asked. `not-set-up`: nobody has begun to use it (no key, nothing at the usual address), which is no
 * fault. `broken`: somebody means to use it, and it does not work.
 */
export interface TierLook {
  readonly tier: string;
  readonly state: "ready" | "not-set-up" | "broken";
  readonly endpoints: readonly EndpointLook[];
  /** What its servers list, together. */
  readonly models: readonly string[];
  readonly reason?: string;
  readonly mend?: string;
}

export interface LookOptions {
  readonly adapter: Adapter | undefined;
  /** The program that listens there, as one line. */
  readonly programAt: (options: EndpointOptions) => Promise<string | undefined>;
}

const probeTimeoutMs = 8_000;

/** Asks every server of a tier whether it is there and what it has. Costs nothing. */
export async function lookAtTier(
  tier: TierConfig,
  config: Config,
  { adapter, programAt }: LookOptions,
): Promise<TierLook> {
  const nothing = { tier: tier.name, state: "not-set-up", endpoints: [], models: [] } as const;
  if (adapter === undefined) {
    return { ...nothing, reason: `no adapter for provider ${tier.provider} in this version` };
  }
  if (tier.apiKeyEnv !== undefined && config.keyOf(tier.name) === undefined) {
    return { ...nothing, reason: `${tier.apiKeyEnv} is not set`, mend: `put it into ${keyHome}` };
  }
  const found = await Promise.all(
    endpointsOf(tier, config).map((options) => lookAtEndpoint(tier, adapter, options, programAt)),
  );
  const endpoints = found.map(({ look }) => look);
  const models = [...new Set(endpoints.flatMap((endpoint) => endpoint.models))];
  if (endpoints.some(({ ready }) => ready)) return { tier: tier.name, state: "ready", endpoints, models };
  const [first] = found;
  const broken = { tier: tier.name, state: "broken", endpoints, models, ...reasonOf(first?.look) } as const;
  if (first?.outcome?.kind !== "unreachable" || !isAtUsualAddress(tier)) return broken;
  // Nobody has said that there must be something: at most another program uses that port.
  const { mend, ...other } = { ...broken, state: "not-set-up" } as const;
  if (first.look.baseUrl === "") return { ...other, ...reasonOf(first.look) };
  const program = await programAt(endpointsOf(tier, config)[0]!);
  if (program !== undefined) return { ...other, reason: `${program} listens at ${first.look.baseUrl}` };
  return { ...other, reason: `nothing listens at ${first.look.baseUrl}`, ...(mend === undefined ? {} : { mend }) };
}

function reasonOf(look: EndpointLook | undefined): { readonly reason: string; readonly mend?: string } {
  return { reason: look?.reason ?? "", ...(look?.mend === undefined ? {} : { mend: look.mend }) };
}

/** Its endpoints as its adapter is told of them. */
export function endpointsOf(tier: TierConfig, config: Config): EndpointOptions[] {
  const apiKey = config.keyOf(tier.name);
  const urls = tier.baseUrls.length > 0 ? tier.baseUrls : [""];
  return urls.map((baseUrl) => ({
    tier: tier.name,
    baseUrl,
    ...(apiKey === undefined ? {} : { apiKey }),
    location: tier.location,
    trustedHosts: config.policy.trustedHosts,
    concurrency: 1,
  }));
}

async function lookAtEndpoint(
  tier: TierConfig,
  adapter: Adapter,
  options: EndpointOptions,
  programAt: LookOptions["programAt"],
): Promise<{ readonly look: EndpointLook; readonly outcome?: Outcome }> {
  const endpoint: Endpoint = adapter.connect(options);
  try {
    const probe = await endpoint.probe(AbortSignal.timeout(probeTimeoutMs));
    if (!probe.usable) {
      const { outcome } = probe;
      const reason = "message" in outcome ? outcome.message : outcome;
      const mend = mendOf(outcome, tier, "auto");
      return {
        outcome,
        look: { baseUrl: options.baseUrl, ready: false, models: [], reason, ...(mend === undefined ? {} : { mend }) },
      };
    }
    const program = tier.location === "local" && options.baseUrl !== "" ? await programAt(options) : undefined;
    return {
      look: {
        baseUrl: options.baseUrl,
        ready: true,
        models: probe.models,
        ...(program === undefined ? {} : { program }),
      },
    };
  } finally {
    await endpoint.close();
  }
}

/** Where its provider listens when nobody says otherwise, on this machine or inside this process. */
function isAtUsualAddress({ provider, baseUrls, location }: TierConfig): boolean {
  const { defaultBaseUrl, noUrl } = providerFacts[provider];
  if (location !== "local") return false;
  return noUrl === true || (baseUrls.length === 1 && baseUrls[0] === defaultBaseUrl);
}
