import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { embeddedEngineFile } from "../src/config/model-files.ts";
import type { JsonSchema } from "../src/job/row.ts";

/*
 * What is used of node-llama-cpp 3.22.1, written down here because it is not among the dependencies: its optional GPU
 * packages weigh 600 MB, and most fleets have no embedded model.
 */
export type Token = number & { readonly __token?: never };

interface EngineText {
  tokenize(tokenizer: unknown): Token[];
}

export interface EngineChatWrapper {
  generateContextState(options: { chatHistory: readonly EngineMessage[] }): {
    readonly contextText: EngineText;
    readonly stopGenerationTriggers: readonly EngineText[];
  };
}

export type EngineMessage =
  | { readonly type: "system" | "user"; readonly text: string }
  | { readonly type: "model"; readonly response: readonly string[] };

/** What may still come of an answer that is held to a grammar; made anew for each answer. */
export interface GrammarState {
  readonly __grammarState?: never;
}

interface Grammar {
  readonly __grammar?: never;
}

interface EvaluateOptions {
  readonly grammarEvaluationState?: GrammarState;
  readonly temperature?: number;
  readonly topP?: number;
  readonly seed?: number;
  readonly repeatPenalty?: { readonly punishTokens: () => Token[]; readonly penalty: number };
}

export interface EngineSequence {
  readonly contextSize: number;
  readonly nextTokenIndex: number;
  /** Keeps the longest common beginning of what it holds and `tokens`. */
  adaptStateToTokens(tokens: readonly Token[], allowShift: boolean): Promise<void>;
  clearHistory(): Promise<void>;
  evaluate(tokens: readonly Token[], options: EvaluateOptions): AsyncGenerator<Token, void, undefined>;
  evaluateWithoutGeneratingNewTokens(tokens: readonly Token[]): Promise<void>;
}

interface EngineContext {
  getSequence(): EngineSequence;
  dispose(): Promise<void>;
}

export interface EngineModel {
  readonly tokenizer: unknown;
  readonly trainContextSize: number;
  readonly tokens: { readonly bos: Token | null; readonly shouldPrependBosToken: boolean };
  detokenize(tokens: readonly Token[], specialTokens?: boolean): string;
  createContext(options: { sequences: number; contextSize: number; threads: number }): Promise<EngineContext>;
  dispose(): Promise<void>;
}

interface Engine {
  createGrammarForJsonSchema(schema: JsonSchema): Promise<Grammar>;
  loadModel(options: { modelPath: string; gpuLayers: number }): Promise<EngineModel>;
}

interface EngineModule {
  getLlama(options: Readonly<Record<string, unknown>>): Promise<Engine>;
  resolveChatWrapper(model: EngineModel): EngineChatWrapper;
  readonly LlamaGrammarEvaluationState: new (options: { model: EngineModel; grammar: Grammar }) => GrammarState;
}

export interface LoadedEngine {
  readonly engine: Engine;
  readonly chatWrapperOf: (model: EngineModel) => EngineChatWrapper;
  /** Rejects for a schema that it makes no grammar of. */
  readonly grammarFor: (model: EngineModel, schema: JsonSchema) => Promise<GrammarState>;
}

/** The engine is not installed, or not for this machine. */
export class EngineMissing extends Error {}

/** With more threads than free cores each token takes many times longer; the fleet needs the other core itself. */
export const engineThreads = 1;

let loading: Promise<LoadedEngine> | undefined;

/** Loads the engine once for the process. */
export function loadEngine(): Promise<LoadedEngine> {
  loading ??= load().catch((error: unknown) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function load(): Promise<LoadedEngine> {
  const module = await importEngine();
  const engine = await module.getLlama({
    gpu: false,
    build: "never",
    skipDownload: true,
    progressLogs: false,
    logLevel: "disabled",
    maxThreads: engineThreads,
  });
  return {
    engine,
    chatWrapperOf: (model) => module.resolveChatWrapper(model),
    grammarFor: async (model, schema) => {
      const grammar = await engine.createGrammarForJsonSchema(schema);
      return new module.LlamaGrammarEvaluationState({ model, grammar });
    },
  };
}

async function importEngine(): Promise<EngineModule> {
  // A variable, so that the compiler does not ask for a package that need not be there.
  const name: string = "node-llama-cpp";
  try {
    return (await import(name)) as EngineModule;
  } catch (error) {
    if ((error as { code?: unknown }).code !== "ERR_MODULE_NOT_FOUND") throw error;
  }
  const installed = embeddedEngineFile();
  if (existsSync(installed)) return (await import(pathToFileURL(installed).href)) as EngineModule;
  throw new EngineMissing(
    "the embedded model's engine is not installed: run scripts/quickstart, or npm i --no-save node-llama-cpp@3.22.1",
  );
}
