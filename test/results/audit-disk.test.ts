import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { AuditedCall } from "../../src/job/audited-call.ts";
import { openAudit } from "../../src/results/audit.ts";
import { verifyAudit } from "../../src/results/audit-verify.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const identity = { host: "here", pid: 1, startedAt: "then" };
const call: AuditedCall = {
  ...{ batch: "b1", row: 1, attempt: 1, tier: "lab", model: "llama3.2", alias: "small", host: "127.0.0.1:11434" },
  location: "local",
  private: true,
  messages: [{ role: "user", content: "hello" }],
};

it("no call goes while the disk of the audit is gone, and no folder of a new day is made in its place", async () => {
  const directory = join(temporaryFolder(), "audit");
  let day = "2026-11-24";
  const chain = openAudit({ directory, processId: "p1", identity, now: () => new Date(`${day}T10:00:00Z`) });
  expect(await chain.note(call)).toBeUndefined();
  renameSync(directory, `${directory}.away`);
  // What is open could be written on: that is noticed within a moment.
  await until("the disk to be missed", () => chain.note(call));
  day = "2026-11-25";
  expect(await chain.note(call)).toMatch(/the disk of .*audit is gone .*nothing is sent without it/);
  expect(existsSync(directory)).toBe(false);
  renameSync(`${directory}.away`, directory);
  expect(await chain.note(call)).toBeUndefined();
  chain.close();
  expect(await verifyAudit(directory, [], () => false)).toMatchObject({ problems: [] });
});
