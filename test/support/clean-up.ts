import { afterAll } from "vitest";

const cleanUps: (() => unknown)[] = [];

/**
 * Does this when the tests of the file are over, the latest first. Unlike vitest's `onTestFinished` it may be asked for
 * anywhere in tests that run at once.
 */
export function afterTests(cleanUp: () => unknown): void {
  cleanUps.push(cleanUp);
}

afterAll(async () => {
  for (const cleanUp of cleanUps.reverse()) await cleanUp();
});
