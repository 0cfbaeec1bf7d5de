import { openaiAdapter } from "./openai-compatible.ts";

/** LocalAI: `/readyz` is 503 `{"status":"starting"}` until its models are preloaded. */
export const localai = openaiAdapter({
  provider: "localai",
  defaultConcurrency: 4,
  defaultPath: "/v1",
  async checkReady(ask, serverPath) {
    const response = await ask(`${serverPath}/readyz`);
    if (response.kind === "response") return undefined;
    if (response.kind !== "server-error" || !/answers 503/.test(response.message)) return response;
    return { kind: "throttled", message: `${response.message} (it is loading its models)` };
  },
});
