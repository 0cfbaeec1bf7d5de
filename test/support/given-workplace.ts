import { type CliProcess, givenProject, type Project, type ProjectOptions } from "./cli.ts";
import type { TestRedis } from "./redis-server.ts";
import { until } from "./until.ts";

/** A project whose rows are fed by one process and asked by others, on a shared Redis. */
export interface Workplace {
  readonly project: Project;
  readonly fleet: string;
  /** Starts `promptfleet work` and waits until it works. */
  work(...args: string[]): Promise<CliProcess>;
  /** `promptfleet run --no-pools`: it feeds and collects, others ask. */
  feed(...args: string[]): CliProcess;
}

export async function givenWorkplace(server: TestRedis, redis: string, options: ProjectOptions): Promise<Workplace> {
  const project = await givenProject(options);
  const fleet = server.newFleetName();
  const shared = ["--redis", redis, "--fleet", fleet];
  return {
    project,
    fleet,
    async work(...args) {
      const worker = project.start(["work", ...shared, ...args]);
      await until("it to work", () => worker.stderr().includes("working lab"));
      return worker;
    },
    feed: (...args) => project.start(["run", project.input, "-o", project.output, "--no-pools", ...shared, ...args]),
  };
}
