import { describe, expect, it } from "vitest";
import { givenProject, type Project } from "../support/cli.ts";
import { givenBackend } from "../support/given-backend.ts";
import type { SimulatedBackend } from "../support/simulated-backend.ts";

/** Three models, each of a tier and a SIMULATED backend of its own, the last of them in the cloud; `d` decides or judges. */
async function givenVoters(): Promise<{
  readonly project: Project;
  readonly voters: Record<string, SimulatedBackend>;
}> {
  const project = await givenProject();
  const voters: Record<string, SimulatedBackend> = { a: project.backend };
  for (const name of ["b", "c", "d"]) voters[name] = await givenBackend();
  const tiers = Object.entries(voters).map(([name, { baseUrl }]) => [
    name,
    { provider: "openai-compatible", baseUrl, location: name === "c" ? "cloud" : "local", concurrency: 4 },
  ]);
  project.write(
    "models.json",
    JSON.stringify({
      tiers: Object.fromEntries(tiers),
      models: Object.fromEntries(Object.keys(voters).map((name) => [name, { tier: name, model: "simulated-model" }])),
      tasks: { simple: { primary: "a" } },
    }),
  );
  return { project, voters };
}

interface Said {
  readonly answers: readonly { readonly model: string; readonly role: string }[];
  readonly consensus: Record<string, unknown>;
}

async function vote(answers: Record<string, string>, ...args: string[]) {
  const { project, voters } = await givenVoters();
  for (const [name, answer] of Object.entries(answers)) {
    voters[name]!.setBehaviour(
      answer === "" ? { fault: { kind: "status", status: 400 } } : { answer: () => answer, latencyMs: 20 },
    );
  }
  const ended = await project.start(["ask", "Is it?", "--models", "a,b,c", "--json", ...args]).ended;
  const { answers: said, consensus } = JSON.parse(ended.stdout) as Said;
  const asked = Object.fromEntries(Object.entries(voters).map(([name, voter]) => [name, voter.requests()]));
  return { code: ended.code, said: said.map(({ model, role }) => `${role} ${model}`), consensus, asked };
}

describe.concurrent("a consensus", () => {
  it.each([
    ["two of three", { a: "Yes.", b: "No", c: "yes" }, 0.66, { agreed: ["a", "c"], share: 2 / 3, text: "Yes." }],
    ["all three", { a: "yes", b: "yes", c: "yes" }, 1, { agreed: ["a", "b", "c"], share: 1, text: "yes" }],
    ["two, and the third fails", { a: "yes", b: "", c: "yes" }, 0.66, { agreed: ["a", "c"], share: 2 / 3 }],
  ])("is found where %s agree", async (_who, answers, threshold, expected) => {
    const { code, consensus } = await vote(answers, "--consensus", String(threshold));
    expect(consensus).toMatchObject({ state: "agreed", by: "text", ...expected });
    expect(code).toBe(0);
  });

  it("names who dissents, of texts and of choices", async () => {
    const texts = await vote({ a: "yes", b: "no", c: "yes" }, "--consensus", "0.66");
    expect(texts.consensus.dissent).toEqual([{ model: "b", text: "no" }]);
    const labels = await vote({ a: "yes", b: "no", c: "Yes" }, "--consensus", "0.66", "--choices", "yes,no");
    expect(labels.consensus).toMatchObject({ by: "label", text: "yes", dissent: [{ model: "b" }] });
  });

  it("is none where all differ or too few have a vote, and all answers are there", async () => {
    const all = await vote({ a: "1", b: "2", c: "3" }, "--consensus", "0.66");
    expect(all.consensus).toMatchObject({ state: "no_consensus", text: null, share: 1 / 3 });
    expect(all.said).toEqual(["vote a", "vote b", "vote c"]);
    expect(all.code).toBe(2);
    const barred = await vote({ a: "yes", b: "no", c: "yes" }, "--consensus", "0.66", "--private");
    expect(barred.consensus).toMatchObject({ state: "no_consensus", message: expect.stringContaining("no vote of c") });
    expect(barred.asked.c).toBe(0);
  });

  it("asks no more models than the outcome needs with --economy", async () => {
    const settled = await vote({ a: "yes", b: "yes", c: "yes" }, "--consensus", "0.66", "--economy");
    expect(settled.consensus).toMatchObject({ state: "agreed", agreed: ["a", "b"] });
    expect(settled.asked).toEqual({ a: 1, b: 1, c: 0, d: 0 });
    const open = await vote({ a: "yes", b: "no", c: "yes" }, "--consensus", "0.66", "--economy");
    expect(open.consensus).toMatchObject({ state: "agreed", agreed: ["a", "c"] });
  });

  it("lets a judge say which texts mean the same, and a stronger model decide where that is not enough", async () => {
    const answers = { a: "Paris it is", b: "It is Paris", c: "Lyon" };
    const judged = await vote({ ...answers, d: '{"groups":[[1,2],[3]]}' }, "--consensus", "0.66", "--judge", "d");
    expect(judged.consensus).toMatchObject({ state: "agreed", by: "judge", agreed: ["a", "b"], text: "Paris it is" });
    expect(judged.said).toEqual(["vote a", "vote b", "vote c", "judge d"]);
    const decided = await vote({ ...answers, d: "Lyon!" }, "--consensus", "0.66", "--escalate", "d");
    expect(decided.consensus).toMatchObject({ state: "agreed", by: "escalation", agreed: ["c"], text: "Lyon!" });
    const nonsense = await vote({ ...answers, d: '{"groups":[[7]]}' }, "--consensus", "0.66", "--judge", "d");
    expect(nonsense.consensus).toMatchObject({
      state: "no_consensus",
      message: expect.stringContaining("the judge d"),
    });
  });

  it("is found by embeddings with --similarity, and says how alike the answers are", async () => {
    const answers = { a: "Paris it is", b: "It is Paris", c: "Lyon", d: "[[1,0],[3,1],[0,1]]" };
    const found = await vote(answers, "--consensus", "0.66", "--similarity", "d=0.9");
    expect(found.consensus).toMatchObject({
      ...{ state: "agreed", by: "similarity", similarity: 0.948683, agreed: ["a", "b"], text: "Paris it is" },
      dissent: [{ model: "c", text: "Lyon", similarity: 0 }],
    });
    expect(found.said).toEqual(["vote a", "vote b", "vote c", "similarity d"]);
    const none = await vote(answers, "--consensus", "0.66", "--similarity", "d=0.95");
    expect(none.consensus).toMatchObject({
      ...{ state: "no_consensus", similarity: 0.948683, message: expect.stringContaining("needed is 0.95") },
    });
    expect(none.code).toBe(2);
  });

  it("is shown in words after the answers", async () => {
    const { project, voters } = await givenVoters();
    for (const name of ["a", "b", "c"]) voters[name]!.setBehaviour({ answer: () => (name === "b" ? "no" : "yes") });
    const ended = await project.start(["ask", "Is it?", "--models", "a,b,c", "--consensus", "0.66"]).ended;
    expect(ended.stdout).toMatch(
      /── b · .*\nno\n[\s\S]*consensus: 66.7 % agree, 66 % were needed .*\nagree: a, c\ndissent: b\n\nyes\n$/,
    );
  });

  it.each([
    [
      ["--models", "a,b", "--consensus", "0"],
      /--consensus: expected a share above 0, at most 1, such as 0\.66; found 0/,
    ],
    [["--models", "a,b", "--consensus", "1.5"], /--consensus: .*found 1\.5/],
    [["--models", "a,b", "--consensus", "most"], /expected a share such as 0\.66/],
    [["--models", "a", "--consensus", "1"], /--models: expected at least two different models; found 1/],
    [["--consensus", "1"], /--consensus: expected the models that are to agree: --models a,b,c/],
    [["--models", "a,b", "--economy"], /--economy goes with --consensus/],
    [["--models", "a,b", "--consensus", "1", "--judge", "e"], /--judge .*"e": did you mean/],
    [
      ["--models", "a,b", "--consensus", "1", "--similarity", "c=0.9", "--judge", "d"],
      /--similarity: expected a judge or a similarity; found both/,
    ],
    [["--models", "a,b", "--consensus", "1", "--similarity", "b=0.9"], /--similarity: .*found "b", which answers/],
    [["--models", "a,b", "--consensus", "1", "--similarity", "c"], /expected ALIAS=SHARE/],
    [["--models", "a,b", "--consensus", "1", "--similarity", "c=2"], /--similarity: expected a share .*found 2/],
    [["--models", "a,b", "--consensus", "1", "--escalate", "b"], /--escalate: expected a model that has not voted/],
  ])("is refused for %j", async (args, message) => {
    const { project, voters } = await givenVoters();
    const ended = await project.start(["ask", "Is it?", ...args]).ended;
    expect(ended.stderr).toMatch(message);
    expect([ended.code, ended.stdout, voters.a!.requests()]).toEqual([1, "", 0]);
  });
});
