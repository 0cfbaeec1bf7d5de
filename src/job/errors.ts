/**
 * A mistake of the user or of the surroundings that stops the program: shown as its message alone, without a stack,
 * with exit code 1. The message says what was expected, what was found, where, and what to do.
 */
export class UserError extends Error {
  override readonly name = "UserError";
}

/** Closes a switch over a union: a new member becomes a compile error here. */
export function assertNever(value: never): never {
  throw new Error(`unexpected value: ${JSON.stringify(value)}`);
}

/** The text of whatever was thrown, for messages. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
