import { responseFormat } from "./chat-completion.ts";
import { openaiAdapter } from "./openai-compatible.ts";

/** vLLM: `/health` is 503 when its engine is dead although the rest still answers. Its queue has no bound by itself. */
export const vllm = openaiAdapter({
  provider: "vllm",
  defaultConcurrency: 64,
  defaultPath: "/v1",
  formOption: (form) => ("choices" in form ? { structured_outputs: { choice: form.choices } } : responseFormat(form)),
  async checkReady(ask, serverPath) {
    const response = await ask(`${serverPath}/health`);
    return response.kind === "response" ? undefined : response;
  },
});
