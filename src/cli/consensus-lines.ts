import { agreedAnswer, type Consensus } from "../ask-consensus.ts";
import type { ConsensusRule } from "../job/consensus.ts";
import { forTerminal } from "./answer-columns.ts";
import { figuresOf } from "./ask-display.ts";

const byWords = {
  label: "the same choice",
  fields: "the same in every field",
  text: "the same text, but for case and punctuation",
  judge: "the same in meaning, as the judge says",
  similarity: "alike by their embeddings, with a similarity",
  escalation: "decided by",
} as const;

const roleWords = { judge: "judge", similarity: "embeddings of", decides: "decided by" } as const;

/** What the models agree on, how many of them, and who does not. */
export function consensusLines(consensus: Consensus, { threshold }: ConsensusRule): string[] {
  const { settled } = consensus;
  if (settled.kind === "no-consensus") return [`no consensus: ${settled.message}`];
  const details = { escalation: ` ${settled.model}`, similarity: ` of ${settled.similarity} or more` };
  const how = byWords[settled.by] + ((details as Partial<Record<string, string>>)[settled.by] ?? "");
  const figures = consensus.results.flatMap(({ model, role, result }) =>
    role === "vote" ? [] : [`${roleWords[role]} ${model}: ${figuresOf(result)}`],
  );
  return [
    `consensus: ${percent(settled.share)} agree, ${percent(threshold)} were needed (${how})`,
    ...(settled.agreed.length === 0 ? [] : [`agree: ${settled.agreed.join(", ")}`]),
    ...settled.dissent.map(
      ({ model, fields }) => `dissent: ${model}${fields === undefined ? "" : ` in ${fields.join(", ")}`}`,
    ),
    ...figures,
    "",
    forTerminal(agreedAnswer(consensus)?.text ?? "").trimEnd(),
  ];
}

const percent = (share: number): string => `${Math.round(share * 1_000) / 10} %`;
