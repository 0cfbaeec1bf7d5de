/** A process of its own, as Node reads NODE_EXTRA_CA_CERTS at its start only: prints the outcome of a call to PROVIDER BASE_URL. */
import { adapters } from "../../workers/index.ts";

const [provider, baseUrl] = process.argv.slice(2) as [keyof typeof adapters, string];
const endpoint = adapters[provider].connect({
  tier: "cloud",
  baseUrl,
  location: "cloud",
  trustedHosts: [],
  concurrency: 1,
});
const outcome = await endpoint.call({
  model: "some-model",
  request: { messages: [{ role: "user", content: "Hello" }] },
  maxOutputTokens: 10,
  defaults: {},
  strict: false,
  private: false,
  signal: new AbortController().signal,
  timeoutMs: 20_000,
});
console.log(JSON.stringify(outcome));
await endpoint.close();
