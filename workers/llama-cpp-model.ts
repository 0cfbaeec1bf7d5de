import { open } from "node:fs/promises";
import {
  type EngineChatWrapper,
  type EngineModel,
  type EngineSequence,
  engineThreads,
  loadEngine,
} from "./llama-cpp-engine.ts";

/** A model in memory with room for some prompts at a time. */
export interface LoadedModel {
  readonly model: EngineModel;
  readonly chatWrapper: EngineChatWrapper;
  /** Waits for a free sequence; the wait ends with the signal. */
  take(signal: AbortSignal): Promise<EngineSequence>;
  giveBack(sequence: EngineSequence): void;
  dispose(): Promise<void>;
}

/** Weights are in memory once for the process, however many tiers use them. */
const weightsByPath = new Map<string, { readonly model: Promise<EngineModel>; users: number }>();

/** The file is no model, or only the beginning of one. */
export class BrokenModelFile extends Error {}

/** A file that ends within its header makes the engine try for two minutes, and all other loads wait for it. */
async function checkHeader(path: string): Promise<void> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headerBytes), 0, headerBytes, 0);
    const isModel = bytesRead === headerBytes && buffer.toString("latin1", 0, 4) === "GGUF";
    if (!isModel) throw new BrokenModelFile(`${path} is not a whole GGUF file`);
  } finally {
    await file.close();
  }
}

/** Less metadata than this has no model of any use. */
const headerBytes = 4_096;

async function openWeights(path: string): Promise<EngineModel> {
  let weights = weightsByPath.get(path);
  if (weights === undefined) {
    const model = checkHeader(path)
      .then(loadEngine)
      .then(({ engine }) => engine.loadModel({ modelPath: path, gpuLayers: 0 }));
    weights = { model, users: 0 };
    weightsByPath.set(path, weights);
  }
  weights.users++;
  try {
    return await weights.model;
  } catch (error) {
    weightsByPath.delete(path);
    throw error;
  }
}

async function closeWeights(path: string): Promise<void> {
  const weights = weightsByPath.get(path);
  if (weights === undefined || --weights.users > 0) return;
  weightsByPath.delete(path);
  await (await weights.model).dispose();
}

/** @param contextTokens room of each sequence, prompt and answer together; never more than the model was trained for. */
export async function loadModel(path: string, sequences: number, contextTokens: number): Promise<LoadedModel> {
  const model = await openWeights(path);
  try {
    const { chatWrapperOf } = await loadEngine();
    const contextSize = Math.min(contextTokens, model.trainContextSize);
    const context = await model.createContext({ sequences, contextSize, threads: engineThreads });
    const free = Array.from({ length: sequences }, () => context.getSequence());
    const waiting: ((sequence: EngineSequence) => void)[] = [];
    return {
      model,
      chatWrapper: chatWrapperOf(model),
      take(signal) {
        const sequence = free.pop();
        if (sequence !== undefined) return Promise.resolve(sequence);
        return new Promise((resolve, reject) => {
          const onAbort = (): void => {
            waiting.splice(waiting.indexOf(onFree), 1);
            reject(signal.reason);
          };
          const onFree = (freed: EngineSequence): void => {
            signal.removeEventListener("abort", onAbort);
            resolve(freed);
          };
          waiting.push(onFree);
          signal.addEventListener("abort", onAbort, { once: true });
        });
      },
      giveBack(sequence) {
        const next = waiting.shift();
        if (next === undefined) free.push(sequence);
        else next(sequence);
      },
      async dispose() {
        await context.dispose();
        await closeWeights(path);
      },
    };
  } catch (error) {
    await closeWeights(path);
    throw error;
  }
}
