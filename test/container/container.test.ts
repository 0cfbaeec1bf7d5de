import { existsSync, globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { loadConfig } from "../../src/config/load.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (file: string): string => readFileSync(`${root}${file}`, "utf8");

interface Service {
  readonly image: string;
  readonly command?: string;
  readonly profiles?: readonly string[];
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly environment?: Readonly<Record<string, string>>;
}
const { services, volumes } = parse(read("docker-compose.yml"), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
};

describe("docker-compose.yml", () => {
  it("starts Redis, a server and workers; the rest only by its profile", () => {
    const usual = Object.entries(services).filter(([, { profiles }]) => profiles === undefined);
    expect(usual.map(([name]) => name)).toEqual(["redis", "server", "work"]);
    const profiles = Object.values(services).flatMap((service) => service.profiles ?? []);
    expect(new Set(profiles)).toEqual(new Set(["ollama", "vllm", "observability"]));
  });

  it("has a Redis that neither evicts nor forgets, and a server that wants a token", () => {
    expect(services.redis!.command).toMatch(
      /--maxmemory-policy noeviction .*--appendonly yes .*--appendfsync everysec/,
    );
    expect(services.server!.environment!.PROMPTFLEET_TOKEN).toMatch(/^\$\{PROMPTFLEET_TOKEN:\?/);
  });

  it("lets nothing be reached from other machines", () => {
    for (const { ports = [] } of Object.values(services))
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
  });

  it.each(["server", "work"])("gives %s a command whose options there are", (name) => {
    const [command, ...options] = services[name]!.command!.split(" ");
    const source = read(`src/cli/commands/${command}.ts`);
    const flags = options.filter((word) => word.startsWith("--"));
    expect(flags.length).toBeGreaterThan(0);
    for (const flag of flags) expect(source).toContain(`"${flag}`);
  });

  it("mounts only what is there", () => {
    for (const { volumes: mounted = [] } of Object.values(services)) {
      for (const one of mounted) {
        const [from] = one.split(":") as [string];
        if (from.startsWith("./")) expect(existsSync(`${root}${from}`), from).toBe(true);
        else expect(Object.keys(volumes)).toContain(from);
      }
    }
  });

  it("asks workers for their health where they answer", () => {
    const port = /--metrics-port (\d+)/.exec(services.work!.command!)![1]!;
    expect(services.work!.healthcheck!.test.join(" ")).toContain(`http://127.0.0.1:${port}/healthz`);
    expect(read("config/prometheus/prometheus.yml")).toContain(`port: ${port}`);
  });

  it("has a configuration whose servers are those of its profiles, all of them local", async () => {
    const config = await loadConfig({ configPath: `${root}config/compose.models.json`, environment: {} });
    for (const name of ["ollama", "vllm"]) {
      const { baseUrls, location } = config.tiers[name]!;
      expect(location).toBe("local");
      expect(services[new URL(baseUrls[0]!).hostname]?.profiles).toEqual([name]);
    }
  });
});

describe("Dockerfile", () => {
  const lines = read("Dockerfile").replaceAll("\\\n", " ").split("\n");
  const copied = lines
    .filter((line) => line.startsWith("COPY ") && !line.includes("--from="))
    .flatMap((line) => line.split(" ").slice(1, -1));

  it("copies what is there, and what .dockerignore lets through", () => {
    const passed = read(".dockerignore")
      .split("\n")
      .flatMap((line) => (line.startsWith("!") ? [line.slice(1)] : []));
    expect(copied.length).toBeGreaterThan(6);
    for (const path of copied) {
      expect(globSync(path, { cwd: root }), path).toHaveLength(1);
      expect(
        passed.some((one) => one === path || path.startsWith(`${one}/`)),
        path,
      ).toBe(true);
    }
  });

  it("runs as nobody's root, has a health check, and starts the program of the package", () => {
    const last = lines.slice(lines.findLastIndex((line) => line.startsWith("FROM ")));
    expect(last).toContain("USER node");
    expect(last.find((line) => line.startsWith("HEALTHCHECK "))).toContain("/healthz");
    expect(last).toContain(`ENTRYPOINT ["/app/${JSON.parse(read("package.json")).bin.promptfleet}"]`);
  });
});
