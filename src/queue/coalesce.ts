import { setTimeout as sleep } from "node:timers/promises";

/** Rows of one script call; far below Lua's limit for unpack and short enough not to hold up other clients. */
const mostPerCall = 256;

/**
 * Gathers what is asked for one batch within one turn of the event loop into one script call: a row then costs a
 * fraction of a round trip. A call that Redis refuses for now (LOADING, MISCONF, READONLY, a lost connection) is made
 * again until it passes, as nothing that is held here may be lost.
 * @param onTrouble told of each refusal, and `undefined` when calls pass again.
 */
export function coalesce<Item, Answer>(
  send: (batchId: string, items: readonly Item[]) => Promise<readonly Answer[]>,
  onTrouble: (reason: string | undefined) => void,
): (batchId: string, item: Item) => Promise<Answer> {
  interface Waiting {
    readonly item: Item;
    readonly resolve: (answer: Answer) => void;
    readonly reject: (error: unknown) => void;
  }
  const waitingByBatch = new Map<string, Waiting[]>();
  let scheduled = false;
  let troubled = false;

  async function sendUntilItPasses(batchId: string, items: readonly Item[]): Promise<readonly Answer[]> {
    for (let delayMs = 100; ; delayMs = Math.min(delayMs * 2, 2_000)) {
      try {
        const answers = await send(batchId, items);
        if (troubled) {
          troubled = false;
          onTrouble(undefined);
        }
        return answers;
      } catch (error) {
        const message = (error as Error).message;
        if (/^(ERR|WRONGTYPE|NOSCRIPT).*(user_script|@user_script|syntax|wrong)/i.test(message)) throw error;
        troubled = true;
        onTrouble(message);
        await sleep(delayMs);
      }
    }
  }

  function flush(): void {
    scheduled = false;
    for (const [batchId, waiting] of waitingByBatch) {
      waitingByBatch.delete(batchId);
      for (let start = 0; start < waiting.length; start += mostPerCall) {
        const part = waiting.slice(start, start + mostPerCall);
        sendUntilItPasses(
          batchId,
          part.map((one) => one.item),
        ).then(
          (answers) => {
            for (const [position, one] of part.entries()) one.resolve(answers[position]!);
          },
          (error) => {
            for (const one of part) one.reject(error);
          },
        );
      }
    }
  }

  return (batchId, item) =>
    new Promise((resolve, reject) => {
      const waiting = waitingByBatch.get(batchId);
      if (waiting === undefined) waitingByBatch.set(batchId, [{ item, resolve, reject }]);
      else waiting.push({ item, resolve, reject });
      if (!scheduled) {
        scheduled = true;
        setImmediate(flush);
      }
    });
}
