import type { Role } from "../config/config.ts";
import { isReading } from "./same-origin.ts";

/** What a token for submitting may do beside reading; whose files and batches they are is looked at by the routes. */
const submitting: readonly (readonly [method: string, path: RegExp])[] = [
  ["POST", /^\/v1\/files\/?$/],
  ["DELETE", /^\/v1\/files\/[^/]+\/?$/],
  ["POST", /^\/v1\/batches\/?$/],
  ["POST", /^\/v1\/batches\/[^/]+\/cancel\/?$/],
  ["POST", /^\/v1\/messages\/batches\/?$/],
  ["POST", /^\/v1\/messages\/batches\/[^/]+\/cancel\/?$/],
  ["DELETE", /^\/v1\/messages\/batches\/[^/]+\/?$/],
  // Its tools see to it themselves.
  ["POST", /^\/mcp\/?$/],
  ["DELETE", /^\/mcp\/?$/],
  ["POST", /^\/v1\/(?:chat\/completions|completions|responses|embeddings|messages|messages\/count_tokens)\/?$/],
];

/** The role that a request needs; what is not known to be harmless needs the admin's. */
export function roleFor(method: string, path: string): Role {
  if (isReading(method)) return "read";
  return submitting.some(([known, pattern]) => known === method && pattern.test(path)) ? "submit" : "admin";
}
