import type { Usage } from "../job/outcome.ts";

/** What was learned from reported usage about how many tokens a row will cost. */
export interface TokenEstimates {
  /** Tokens of input for each token that rows of this model are estimated at. */
  inputFactor(model: string): number;
  /** Output to expect of one more row of this model and task: the mean and the usual distance from it. */
  expectedOutput(model: string, task: string | null, most: number): number;
  note(model: string, task: string | null, estimatedInput: number, usage: Usage): void;
}

/** Each answer moves what is known by this share at least: about the last fifty count. */
const share = 1 / 50;
const mostKinds = 10_000;

interface Learned {
  answers: number;
  meanOutput: number;
  meanDistance: number;
}

export function createTokenEstimates(): TokenEstimates {
  const inputs = new Map<string, { estimated: number; reported: number }>();
  const outputs = new Map<string, Learned>();
  const kindOf = (model: string, task: string | null): string => `${model} ${task ?? ""}`;

  return {
    inputFactor(model) {
      const known = inputs.get(model);
      return known === undefined ? 1 : known.reported / known.estimated;
    },
    expectedOutput(model, task, most) {
      const known = outputs.get(kindOf(model, task));
      return known === undefined ? most : Math.min(most, Math.ceil(known.meanOutput + known.meanDistance));
    },
    note(model, task, estimatedInput, usage) {
      if (usage.inputTokens > 0 && estimatedInput > 0) {
        const known = inputs.get(model) ?? { estimated: 0, reported: 0 };
        known.estimated = known.estimated * (1 - share) + estimatedInput;
        known.reported = known.reported * (1 - share) + usage.inputTokens;
        inputs.set(model, known);
      }
      if (usage.outputTokens > 0) {
        const kind = kindOf(model, task);
        const known = outputs.get(kind) ?? { answers: 0, meanOutput: 0, meanDistance: 0 };
        known.answers++;
        const weight = Math.max(share, 1 / known.answers);
        const distance = Math.abs(usage.outputTokens - (known.answers === 1 ? usage.outputTokens : known.meanOutput));
        known.meanOutput += weight * (usage.outputTokens - known.meanOutput);
        known.meanDistance += weight * (distance - known.meanDistance);
        outputs.set(kind, known);
        if (outputs.size > mostKinds) outputs.delete(outputs.keys().next().value!);
      }
    },
  };
}
