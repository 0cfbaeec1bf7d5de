import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: "forks",
    // The tests mostly wait, for servers and for time: two at once on two cores halve the time of the whole.
    maxWorkers: 2,
  },
});
