import type { Terms } from "../../src/pool/gate.ts";
import { createQuotaReporter } from "../../src/pool/report-quota.ts";
import { createTurns } from "../../src/pool/take-turn.ts";
import { fleetNames } from "../../src/queue/names.ts";
import type { TestRedis } from "./redis-server.ts";

/** What a machine under load may be late by. */
export const lateMs = 60;

interface Asked {
  readonly weight?: readonly [number, number];
  readonly stood?: boolean;
  readonly onlineMs?: number;
  readonly payload?: string;
}

/** The scope `lab`, whose fields are set as times from now by Redis' clock. */
export function givenScope(server: TestRedis) {
  const names = fleetNames(server.newFleetName());
  const key = names.pace("lab");
  const take = createTurns(server.client, names, "some-process");
  const nowMs = async (): Promise<number> => {
    const [seconds, micros] = await server.client.time();
    return Number(seconds) * 1_000 + Number(micros) / 1_000;
  };
  return {
    key,
    async set(fromNow: Readonly<Record<string, number>>) {
      const now = await nowMs();
      await server.client.hset(key, Object.fromEntries(Object.entries(fromNow).map(([name, ms]) => [name, now + ms])));
    },
    async fromNow(field: string): Promise<number> {
      return Number(await server.client.hget(key, field)) - (await nowMs());
    },
    ask(terms: Terms, { weight = [1, 1], stood = false, onlineMs, payload }: Asked = {}) {
      return take({
        terms: { ...terms, stood },
        callNumber: 1,
        payload: payload ?? `{"weight":[${weight.join(",")},1,1]}`,
        ...(onlineMs === undefined ? {} : { onlineMs }),
      });
    },
    tell: createQuotaReporter(server.client, names),
  };
}

export async function delayOf(turn: Promise<{ readonly kind: string }>): Promise<number> {
  const { kind, ...rest } = await turn;
  if (kind !== "turn") throw new Error(`has no turn: ${JSON.stringify(rest)}`);
  return (rest as unknown as { charge: { delayMs: number } }).charge.delayMs;
}
