import type { Server } from "@modelcontextprotocol/sdk/server/index.js";
import {
  ErrorCode,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  McpError,
  ReadResourceRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { messageOf } from "../../job/errors.ts";
import type { Batches } from "../batches.ts";
import { batchFacts, knownBatch, uriOf } from "./batch-facts.ts";
import type { McpContext } from "./context.ts";

const mostListed = 50;
const pattern = /^promptfleet:\/\/batches\/([A-Za-z0-9_-]+)$/;

/** Batches as resources: how far each is, told again to who subscribes whenever that changes. */
export function serveResources(server: Server, context: McpContext): void {
  const subscribed = new Set<string>();
  let stopListening: (() => void) | undefined;

  server.setRequestHandler(ListResourcesRequestSchema, async () => {
    const { batches } = await context.open();
    const resources = batches
      .list()
      .slice(0, mostListed)
      .map((record) => ({
        uri: uriOf(record),
        name: record.id,
        description: `${record.status}, ${record.counts.completed + record.counts.failed} of ${record.counts.total} rows`,
        mimeType: "application/json",
      }));
    return { resources };
  });

  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: [
      {
        uriTemplate: "promptfleet://batches/{id}",
        name: "batch",
        description: "How far a batch is, as batch_status says it.",
        mimeType: "application/json",
      },
    ],
  }));

  server.setRequestHandler(ReadResourceRequestSchema, async ({ params: { uri } }) => {
    const { batches } = await context.open();
    const text = JSON.stringify(factsAt(uri, batches));
    return { contents: [{ uri, mimeType: "application/json", text }] };
  });

  server.setRequestHandler(SubscribeRequestSchema, async ({ params: { uri } }) => {
    const { batches } = await context.open();
    factsAt(uri, batches);
    subscribed.add(uri);
    stopListening ??= batches.onChange((record) => {
      const changed = uriOf(record);
      if (subscribed.has(changed)) void server.sendResourceUpdated({ uri: changed }).catch(() => {});
    });
    return {};
  });

  server.setRequestHandler(UnsubscribeRequestSchema, ({ params: { uri } }) => {
    subscribed.delete(uri);
    return {};
  });

  const onclose = server.onclose;
  server.onclose = () => {
    stopListening?.();
    onclose?.();
  };
}

function factsAt(uri: string, batches: Batches) {
  const id = pattern.exec(uri)?.[1];
  if (id === undefined) {
    throw new McpError(ErrorCode.InvalidParams, `expected promptfleet://batches/ID, found ${uri.slice(0, 200)}`);
  }
  try {
    return batchFacts(knownBatch(batches, id), batches);
  } catch (error) {
    throw new McpError(ErrorCode.InvalidParams, messageOf(error));
  }
}
