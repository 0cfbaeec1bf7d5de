import { messageOf } from "../src/job/errors.ts";
import type { Outcome } from "../src/job/outcome.ts";
import {
  type EngineMessage,
  type EngineSequence,
  type GrammarState,
  loadEngine,
  type Token,
} from "./llama-cpp-engine.ts";
import type { LoadedModel } from "./llama-cpp-model.ts";
import type { PlainRequest } from "./plain-request.ts";
import type { Failure } from "./response.ts";
import { createTeller } from "./tell-text.ts";

/** The engine takes this many tokens in one go; between two goes an abort is heard. */
const tokensPerStep = 256;
/** The engine's grammars end a JSON text so. */
const endOfJson = "\n\n\n\n";
/** As llama.cpp's own programs have it long done: without it, small models soon repeat themselves. */
const repeatPenalty = { lastTokens: 64, penalty: 1.1 };

/** Answers one prompt. Rejects with the signal's reason when that is aborted. */
export async function generate(
  loaded: LoadedModel,
  request: PlainRequest,
  modelName: string,
  signal: AbortSignal,
  onText: ((delta: string) => void) | undefined,
): Promise<Outcome> {
  const { model, chatWrapper } = loaded;
  const state = chatWrapper.generateContextState({ chatHistory: chatHistory(request) });
  const prompt = state.contextText.tokenize(model.tokenizer);
  const { bos, shouldPrependBosToken } = model.tokens;
  if (shouldPrependBosToken && bos !== null && prompt[0] !== bos) prompt.unshift(bos);
  const stopTokens = state.stopGenerationTriggers.map((trigger) => trigger.tokenize(model.tokenizer));

  const grammar = await grammarFor(loaded, request);
  if (grammar !== undefined && "kind" in grammar) return grammar;
  const stopTexts = [...(request.stop ?? []), ...(grammar === undefined ? [] : [endOfJson])];

  const endings = [...stopTexts, ...stopTokens.map((tokens) => model.detokenize(tokens))];
  const teller = createTeller(onText, Math.max(0, ...endings.map(({ length }) => length)));
  const sequence = await loaded.take(signal);
  try {
    const room = sequence.contextSize - prompt.length;
    if (room < 1) {
      const message = `the prompt has ${prompt.length} tokens; with its answer it must fit into ${sequence.contextSize} (contextTokens of the model)`;
      return { kind: "context-overflow", message };
    }
    const cachedTokens = await readPrompt(sequence, prompt, signal);
    const mostTokens = Math.min(request.maxOutputTokens, room);
    const output: Token[] = [];
    let text = "";
    let finishReason = "length";
    const tokens = sequence.evaluate(prompt.slice(-1), {
      temperature: request.temperature ?? 0,
      ...(request.topP === undefined ? {} : { topP: request.topP }),
      ...(request.seed === undefined ? {} : { seed: request.seed }),
      ...(grammar === undefined ? {} : { grammarEvaluationState: grammar }),
      repeatPenalty: { punishTokens: () => output.slice(-repeatPenalty.lastTokens), penalty: repeatPenalty.penalty },
    });
    while (output.length < mostTokens) {
      const next = await tokens.next();
      signal.throwIfAborted();
      if (next.done) {
        finishReason = "stop";
        break;
      }
      output.push(next.value);
      text = model.detokenize(output);
      const end = endOf(text, output, stopTexts, stopTokens, (kept) => model.detokenize(kept));
      if (end === undefined) {
        teller.grown(text);
        continue;
      }
      text = end;
      finishReason = "stop";
      break;
    }
    await tokens.return();
    teller.ended(text);
    const usage = { inputTokens: prompt.length, outputTokens: output.length, cachedTokens };
    const { omittedOptions } = request;
    return {
      kind: "answered",
      answer: { text, finishReason, usage, model: modelName, ...(omittedOptions.length > 0 ? { omittedOptions } : {}) },
    };
  } catch (error) {
    // What it holds now is not known.
    await sequence.clearHistory().catch(() => undefined);
    throw error;
  } finally {
    loaded.giveBack(sequence);
  }
}

async function grammarFor({ model }: LoadedModel, request: PlainRequest): Promise<GrammarState | Failure | undefined> {
  if (request.answerSchema === undefined) return undefined;
  try {
    return await (await loadEngine()).grammarFor(model, request.answerSchema);
  } catch (error) {
    return {
      kind: "rejected",
      message: `the embedded engine cannot hold an answer to this schema: ${messageOf(error)}`,
    };
  }
}

/** Reads all of the prompt but its last token, from where it differs from what the sequence has read before. */
async function readPrompt(sequence: EngineSequence, prompt: readonly Token[], signal: AbortSignal): Promise<number> {
  const head = prompt.slice(0, -1);
  await sequence.adaptStateToTokens(head, false);
  const cachedTokens = sequence.nextTokenIndex;
  for (let at = cachedTokens; at < head.length; at += tokensPerStep) {
    signal.throwIfAborted();
    await sequence.evaluateWithoutGeneratingNewTokens(head.slice(at, at + tokensPerStep));
  }
  signal.throwIfAborted();
  return cachedTokens;
}

/** The text before a stop text or before the model's own end mark; undefined when there is neither yet. */
function endOf(
  text: string,
  output: readonly Token[],
  stopTexts: readonly string[],
  stopTokens: readonly (readonly Token[])[],
  detokenize: (tokens: readonly Token[]) => string,
): string | undefined {
  const at = stopTexts.map((stop) => (stop === "" ? -1 : text.indexOf(stop))).filter((index) => index >= 0);
  if (at.length > 0) return text.slice(0, Math.min(...at));
  const mark = stopTokens.find(
    (tokens) =>
      tokens.length > 0 && tokens.every((token, index) => output[output.length - tokens.length + index] === token),
  );
  return mark === undefined ? undefined : detokenize(output.slice(0, -mark.length));
}

/** Ends with a message of the model, which it continues. */
function chatHistory({ messages }: PlainRequest): EngineMessage[] {
  const history = messages.map(({ role, text }): EngineMessage => {
    if (role === "assistant") return { type: "model", response: [text] };
    return { type: role === "system" ? "system" : "user", text };
  });
  return history.at(-1)?.type === "model" ? history : [...history, { type: "model", response: [] }];
}
