import { expect, it } from "vitest";
import { createLatencies } from "../../src/job/latency.ts";
import { createRouter, planRoute } from "../../src/routing/choose-model.ts";
import { allBut, everyTier, givenConfig } from "./given-config.ts";

const route = { primary: "opus", fallback: ["unpriced", "llama", "any"] };
const config = givenConfig({
  tasks: {
    simple: { ...route },
    thrifty: { ...route, prefer: "cheapest" },
    quick: { ...route, prefer: "fastest" },
    secret: { ...route, prefer: "fastest", private: true },
  },
});
const measured = new Map([
  ["any", 120],
  ["opus", 900],
  ["unpriced", 80],
]);
const latencyMsOf = (alias: string) => measured.get(alias);
const plan = (task: string, usable = everyTier as ReturnType<typeof allBut>) =>
  planRoute({ task, private: false }, config, usable, {}, latencyMsOf);

it("a task's models are taken as listed unless it says otherwise, and told so", () => {
  expect(plan("simple").order).toEqual([
    { alias: "opus", why: "primary" },
    { alias: "unpriced", why: "fallback 1" },
    { alias: "llama", why: "fallback 2" },
    { alias: "any", why: "fallback 3" },
  ]);
});

it("the cheapest come first, free ones as listed, and one whose price nobody knows last", () => {
  expect(plan("thrifty").order).toEqual([
    { alias: "llama", why: "free" },
    { alias: "any", why: "free" },
    { alias: "opus", why: "$4 in, $20 out per million tokens" },
    { alias: "unpriced", why: "price unknown, therefore last" },
  ]);
});

it("the fastest come first by what was measured, and one that was never asked last", () => {
  expect(plan("quick").order).toEqual([
    { alias: "unpriced", why: "80 ms an answer" },
    { alias: "any", why: "120 ms an answer" },
    { alias: "opus", why: "900 ms an answer" },
    { alias: "llama", why: "not yet measured, therefore last" },
  ]);
});

it("privacy and keys come before preference", () => {
  expect(plan("secret")).toMatchObject({ ok: true, candidates: ["any", "llama"] });
  expect(plan("quick", allBut({ openai: "no key" }))).toMatchObject({ candidates: ["any", "opus", "llama"] });
});

it("the router plans anew when latencies were learned, but only where they matter", () => {
  const latencies = createLatencies();
  const router = createRouter(config, everyTier, {}, latencies);
  const [quick, plain] = [
    { task: "quick", private: false },
    { task: "simple", private: false },
  ];
  expect(router(quick)).toMatchObject({ candidates: ["opus", "unpriced", "llama", "any"] });
  latencies.learn(measured);
  expect(router(quick)).toMatchObject({ candidates: ["unpriced", "any", "opus", "llama"] });
  latencies.learn(new Map([["llama", 1]]));
  expect(router(quick)).toMatchObject({ candidates: ["llama", "opus", "unpriced", "any"] });

  const elsewhere = createRouter(givenConfig({ tasks: { simple: route } }), everyTier, {}, latencies);
  const first = elsewhere(plain);
  latencies.learn(new Map());
  expect(elsewhere(plain)).toBe(first);
});
