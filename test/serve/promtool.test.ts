import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { withRedis } from "../support/redis-server.ts";
import { batchLines, givenBatchOf, givenServer, untilEnded } from "../support/serve.ts";

const redis = withRedis();

const promtool = (args: readonly string[], input = ""): SpawnSyncReturns<string> =>
  spawnSync("promtool", args, { input, encoding: "utf8" });

const isThere = promtool(["--version"]).status === 0;

function expectFine({ status, stdout, stderr }: SpawnSyncReturns<string>): void {
  expect(status, stdout + stderr).toBe(0);
}

/** Debian's package prometheus brings it. */
describe.skipIf(!isThere)("Prometheus' own promtool finds nothing wrong", () => {
  it("with the configuration and the alerts, which fire when their tests say so", () => {
    expectFine(promtool(["check", "config", "--syntax-only", "config/prometheus/prometheus.yml"]));
    expectFine(promtool(["check", "rules", "config/prometheus/alerts.yml"]));
    expectFine(promtool(["test", "rules", "config/prometheus/alerts.test.yml"]));
  });

  it("with what /metrics says, its names included", async () => {
    const { client, url } = await givenServer(redis, { backend: { latencyMs: 5 } });
    const lines = `${batchLines(20)}${batchLines(1, "unknown", "nobody/knows-it")}`;
    await untilEnded(client, (await givenBatchOf(client, lines)).id);
    const text = await (await fetch(`${url}/metrics`)).text();
    expect(text).toContain("promptfleet_call_latency_seconds_bucket");
    expectFine(promtool(["check", "metrics"], text));
  });
});
