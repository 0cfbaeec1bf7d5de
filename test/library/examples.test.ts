import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { readVariable } from "../../src/config/environment.ts";
import { withRedis } from "../support/redis-server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { givenFleet } from "./given-fleet.ts";

const server = withRedis();
let redis: string;
beforeAll(async () => {
  redis = await server.listenOnPort();
});

/**
 * Runs an example as a user would, in a folder with a promptfleet.json, and returns its lines.
 * @param fleet of a fleet whose Redis the example is told by an argument; default: a new one, told by REDIS_URL.
 */
async function runExample(path: string, config: object, args: readonly string[] = [], fleet?: string) {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "promptfleet.json"), JSON.stringify({ ...config, fleet: fleet ?? server.newFleetName() }));
  writeFileSync(join(folder, "lines.txt"), "the first line #1\nthe second line #2\n");
  const program = fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));
  const child = spawn(process.execPath, [program, ...args], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: readVariable("PATH"), HOME: folder, ...(fleet === undefined ? { REDIS_URL: redis } : {}) },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [code] = await once(child, "close");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout.trimEnd().split("\n");
}

describe("the example", () => {
  it("enqueue.ts prints its one answer", async () => {
    const { config } = await givenFleet();
    expect(await runExample("library/enqueue.ts", config)).toEqual(["greeting: answer to greeting"]);
  });

  it("many-rows.ts prints one result a line of its file", async () => {
    const { config } = await givenFleet();
    const lines = await runExample("library/many-rows.ts", config, ["lines.txt"]);
    expect(lines.map((line) => JSON.parse(line)).toSorted((a, b) => a.id.localeCompare(b.id))).toEqual([
      { id: "line-1", status: "answered", answer: "answer to 1" },
      { id: "line-2", status: "answered", answer: "answer to 2" },
    ]);
  });

  it("typed-answers.ts prints what fits its schema, and what does not as a failure", async () => {
    const answers = ['{"sentiment":"good","stars":5}', '{"sentiment":"bad","stars":1}', "It is a chair."];
    const { config } = await givenFleet({ answer: ({ key }) => answers[Number(key) - 1] ?? "" });
    const lines = await runExample("library/typed-answers.ts", config);
    expect(lines.toSorted()).toEqual(["review-1: good, 5 stars", "review-2: bad, 1 stars", "review-3: invalid_answer"]);
  });

  it("one-of-these.ts prints the choice as it was given, and the town of an address that needed a second try", async () => {
    const { config } = await givenFleet({
      answer: ({ key, ask }) =>
        key === "label" ? "BAD." : ask === 1 ? "Bath" : '{"street":"3 High Street","town":"Bath"}',
    });
    const lines = await runExample("library/one-of-these.ts", config);
    expect(lines).toEqual(["the review is bad", "the town is Bath"]);
  });

  it("own-adapter.ts asks a server that only its adapter knows", async () => {
    const shouting = createServer((incoming, response) => {
      let text = "";
      incoming.on("data", (chunk) => {
        text += chunk;
      });
      incoming.on("end", () => response.end(`${text.toUpperCase()}!`));
    }).listen(0, "127.0.0.1");
    onTestFinished(() => void shouting.close());
    await once(shouting, "listening");
    const { port } = shouting.address() as AddressInfo;
    const lines = await runExample("library/own-adapter.ts", {}, [`http://127.0.0.1:${port}/`]);
    expect(lines.toSorted()).toEqual(["one: ONE!", "three: THREE!", "two: TWO!"]);
  });

  it("shared-redis.ts asks nothing itself: pools elsewhere answer", async () => {
    const { config, open, backend } = await givenFleet();
    const fleet = server.newFleetName();
    await open({ redis, fleet, tiers: ["lab"] });
    const lines = await runExample("library/shared-redis.ts", config, [redis], fleet);
    expect(lines).toEqual(["1 (lab): answer to a", "2 (lab): answer to b", "3 (lab): answer to c"]);
    expect(backend.requests()).toBe(3);
  });

  it("bullmq/producer.ts knows BullMQ only, and gets its answer as the job's return value", async () => {
    const { config, open } = await givenFleet();
    const fleet = server.newFleetName();
    await open({ redis, fleet, tiers: ["lab"] });
    const lines = await runExample("bullmq/producer.ts", config, [redis, fleet], fleet);
    expect(lines).toEqual(["answered by small: answer to bullmq"]);
  });
});
