import type { z } from "zod";
import { suggestName } from "../../config/nearest.ts";
import { describe } from "../../intake/field-checks.ts";
import { UserError } from "../../job/errors.ts";
import type { McpContext } from "./context.ts";
import type { Roots } from "./roots.ts";

/** One call of a tool, as far as its client takes part in it. */
export interface ToolCall {
  /** Aborted when the client cancels the call or is gone. */
  readonly signal: AbortSignal;
  /** Tells the client how far it is, if it wants to know. */
  report(done: number, total: number | undefined, message: string): void;
  /** The folders whose files it may name. */
  roots(): Promise<Roots>;
}

export interface ToolResult {
  /** As the tool's output schema says. */
  readonly structured: Record<string, unknown>;
  /** What the client reads where it shows text; default: the JSON of `structured`. */
  readonly text?: string;
  readonly links?: readonly { readonly uri: string; readonly name: string }[];
}

export interface Tool {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: z.ZodObject;
  readonly output: z.ZodObject;
  /** It only looks: nothing is sent, spent or changed. */
  readonly isReadOnly: boolean;
  call(context: McpContext, given: unknown, call: ToolCall): Promise<ToolResult>;
}

interface ToolDefinition<Input extends z.ZodObject> extends Omit<Tool, "input" | "call"> {
  readonly input: Input;
  readonly run: (context: McpContext, input: z.infer<Input>, call: ToolCall) => Promise<ToolResult>;
}

/** Binds a tool to what it takes: its run is called with arguments that were checked. */
export function defineTool<Input extends z.ZodObject>({ run, ...tool }: ToolDefinition<Input>): Tool {
  return { ...tool, call: (context, given, call) => run(context, readArguments(tool, given), call) };
}

/** @throws UserError with every argument that is wrong, in words. */
function readArguments<Input extends z.ZodObject>(
  { name, input }: { readonly name: string; readonly input: Input },
  given: unknown,
): z.infer<Input> {
  const parsed = input.safeParse(given ?? {});
  if (parsed.success) return parsed.data;
  const complaints = parsed.error.issues.flatMap((issue) => complaintsOf(issue, given, Object.keys(input.shape)));
  throw new UserError(`${name}: ${complaints.join("; ")}`);
}

/** The messages of the schemas say what was expected; texts that were found are not repeated, they may be private. */
function complaintsOf(issue: z.core.$ZodIssue, given: unknown, names: readonly string[]): string[] {
  if (issue.code === "unrecognized_keys") {
    // The message of an object inside is the list of its keys.
    const [where, known] =
      issue.path.length === 0 ? ["", names] : [`${issue.path.join(".")}: `, issue.message.split(", ")];
    return issue.keys.map(
      (key) => `${where}unknown argument "${key.slice(0, 60)}": ${suggestName(key.slice(0, 60), known)}`,
    );
  }
  const found = issue.path.reduce<unknown>(
    (at, part) => (at as Record<PropertyKey, unknown> | undefined)?.[part],
    given,
  );
  const where = issue.path.length === 0 ? "the arguments" : issue.path.join(".");
  return [`${where}: expected ${issue.message}, found ${describe(found)}`];
}
