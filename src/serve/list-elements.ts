/** A body that is no JSON object with that list; its message says what was expected and found. */
export class MalformedBody extends Error {}

const [quote, backslash, comma, colon] = [0x22, 0x5c, 0x2c, 0x3a];
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d];
/** Space, line feed, carriage return, tab. */
const spaces: ReadonlySet<number> = new Set([0x20, 0x0a, 0x0d, 0x09]);

/** Depth of what stands in the outer object, and of the elements of the list that is looked for. */
const [inObject, inList] = [1, 2];

/**
 * The elements of the one list in a JSON object `{"NAME": [ … ]}`, each as it is written, while the body comes: no more
 * than one of them is held. They are not parsed here, and what stands beside the list is passed over.
 * @throws MalformedBody
 */
export async function* listElements(body: AsyncIterable<Buffer>, name: string): AsyncGenerator<Buffer> {
  const scan = createScan(name);
  for await (const chunk of body) yield* scan.next(chunk);
  scan.end();
}

function createScan(name: string) {
  let depth = 0;
  let inString = false;
  let isEscaped = false;
  let hasEnded = false;
  /** What comes next in the outer object. */
  let expected: "key" | "colon" | "value" = "key";
  let key = "";
  let isInList = false;
  let lists = 0;
  let isAfterComma = false;
  /** The element or key that is being read, up to this chunk, and where its part of this chunk begins. */
  let captured: Buffer[] | undefined;
  let capturedFrom = 0;

  function capture(at: number): void {
    captured = [];
    capturedFrom = at;
  }

  function take(chunk: Buffer, end: number): Buffer | undefined {
    const taken = captured && Buffer.concat([...captured, chunk.subarray(capturedFrom, end)]);
    captured = undefined;
    return taken;
  }

  function openString(at: number): void {
    inString = true;
    if (depth !== inObject) return;
    if (expected === "colon") throw new MalformedBody(`expected ":" after a name of the object`);
    if (expected === "key") capture(at + 1);
  }

  function inStringAt(byte: number, chunk: Buffer, at: number): void {
    if (isEscaped) isEscaped = false;
    else if (byte === backslash) isEscaped = true;
    else if (byte === quote) {
      inString = false;
      if (depth !== inObject || expected !== "key") return;
      key = take(chunk, at)!.toString();
      expected = "colon";
    }
  }

  function open(byte: number): void {
    if (depth === inObject && expected !== "value") throw new MalformedBody("expected names in the object");
    if (depth === inObject && key === name && byte === openBracket) {
      if (lists++ > 0) throw new MalformedBody(`${name}: expected one list, found several`);
      isInList = true;
      isAfterComma = false;
    }
    depth++;
  }

  function close(byte: number): void {
    if ((depth === inObject || (isInList && depth === inList)) && (byte === closeBrace) === isInList) {
      throw new MalformedBody("expected JSON, found brackets that do not match");
    }
    depth--;
    if (depth === inObject) isInList = false;
    hasEnded = depth === 0;
  }

  /** An element ends here, or the list does without any. */
  function endOfElement(byte: number, chunk: Buffer, at: number): Buffer | undefined {
    const element = take(chunk, at);
    if (element === undefined && (byte === comma || isAfterComma)) {
      throw new MalformedBody(`${name}: expected elements between its commas`);
    }
    isAfterComma = byte === comma;
    return element;
  }

  return {
    *next(chunk: Buffer): Generator<Buffer> {
      capturedFrom = 0;
      for (let at = 0; at < chunk.length; at++) {
        const byte = chunk[at]!;
        if (inString) {
          inStringAt(byte, chunk, at);
          continue;
        }
        if (spaces.has(byte)) continue;
        if (hasEnded || (depth === 0 && byte !== openBrace)) throw new MalformedBody("expected one JSON object");
        if (isInList && depth === inList) {
          if (byte === comma || byte === closeBracket) {
            const element = endOfElement(byte, chunk, at);
            if (element !== undefined) yield element;
          } else if (captured === undefined) capture(at);
        }
        if (byte === quote) openString(at);
        else if (byte === openBrace || byte === openBracket) open(byte);
        else if (byte === closeBrace || byte === closeBracket) close(byte);
        else if (depth === inObject) expected = nextInObject(byte, expected);
      }
      captured?.push(chunk.subarray(capturedFrom));
    },
    end(): void {
      if (!hasEnded) throw new MalformedBody("expected a whole JSON object, found nothing or one that is cut off");
      if (lists === 0) throw new MalformedBody(`${name}: expected a list, found none`);
    },
  };
}

function nextInObject(byte: number, expected: "key" | "colon" | "value"): "key" | "colon" | "value" {
  if (byte === colon && expected === "colon") return "value";
  if (byte === comma && expected === "value") return "key";
  // A number, true, false, null: what is beside the list is not looked at.
  if (expected === "value" && byte !== colon) return "value";
  throw new MalformedBody("expected a JSON object");
}
