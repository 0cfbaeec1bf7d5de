/** What of OpenAI's API, beside chat, a body may be meant for. */
export const otherEndpoints = ["/v1/responses", "/v1/embeddings", "/v1/completions"] as const;
export type OtherEndpoint = (typeof otherEndpoints)[number];

export const chatEndpoint = "/v1/chat/completions";

/** The option that bounds the tokens of an answer; embeddings have none. */
export const limitFields: Readonly<Record<OtherEndpoint, string | undefined>> = {
  "/v1/responses": "max_output_tokens",
  "/v1/embeddings": undefined,
  "/v1/completions": "max_tokens",
};

export function isOtherEndpoint(path: unknown): path is OtherEndpoint {
  return (otherEndpoints as readonly unknown[]).includes(path);
}
