/**
 * An adapter of your own, for a server that speaks no protocol we know: here one that takes the prompt as plain text
 * and answers with plain text. `node examples/library/own-adapter.ts http://127.0.0.1:9000/`
 */
import { type Adapter, createFleet, type Outcome } from "../../src/index.ts"; // in your project: from "promptfleet"

/** Every end of a call is an Outcome; nothing here may throw, and nothing may retry: that is the fleet's business. */
const plainText: Adapter = {
  provider: "openai-compatible",
  defaultConcurrency: 4,
  needsBaseUrl: true,
  connect: ({ baseUrl }) => ({
    async call({ request, model, signal, timeoutMs, private: isPrivate }): Promise<Outcome> {
      // This adapter does not check where the address leads, so it must not carry what has to stay on local machines.
      if (isPrivate) return { kind: "refused-by-policy", message: "the plain-text adapter takes no private rows" };
      const body = request.messages.map(({ content }) => content).join("\n\n");
      try {
        const response = await fetch(baseUrl, {
          method: "POST",
          body,
          signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
        });
        const text = await response.text();
        if (response.status === 429) return { kind: "throttled", message: text };
        if (response.status >= 500) return { kind: "server-error", message: text };
        if (!response.ok) return { kind: "rejected", message: text };
        const usage = { inputTokens: 0, outputTokens: 0, cachedTokens: 0 };
        return { kind: "answered", answer: { text, finishReason: "stop", usage, model } };
      } catch (error) {
        if (signal.aborted) return { kind: "cancelled", message: "stopped" };
        if (error instanceof DOMException && error.name === "TimeoutError") {
          return { kind: "timed-out", message: `no answer in ${timeoutMs} ms` };
        }
        return { kind: "unreachable", message: String((error as Error).cause ?? error) };
      }
    },
    // Asked after calls that could not connect, until it says that the server is back.
    async probe(signal) {
      const response = await fetch(baseUrl, { method: "HEAD", signal }).catch(() => undefined);
      if (response !== undefined) return { usable: true, models: [] };
      return { usable: false, outcome: { kind: "unreachable", message: "no connection" } };
    },
    async close() {},
  }),
};

const [baseUrl = "http://127.0.0.1:9000/"] = process.argv.slice(2);
const fleet = await createFleet({
  config: {
    tiers: { shouting: { provider: "openai-compatible", baseUrl, concurrency: 4 } },
    models: { shouter: { tier: "shouting", model: "shouter-1" } },
    tasks: { simple: { primary: "shouter" } },
  },
  adapters: { "openai-compatible": plainText },
});
try {
  const words = ["one", "two", "three"];
  for await (const { id, text } of fleet.run(words.map((word) => ({ id: word, prompt: word })))) {
    console.log(`${id}: ${text}`);
  }
} finally {
  await fleet.close();
}
