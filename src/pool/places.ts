import type { PromptRequest } from "../job/row.ts";

/** What takes calls, up to a number. */
export interface Takes {
  inFlight: number;
}

/** Places for calls at the endpoints of a tier; who finds none waits, first come, first served. */
export interface Places<State extends Takes> {
  inFlight(): number;
  allowance(): number;
  /** Calls that may be in flight at all endpoints together. */
  setLimit(calls: number): void;
  /** Undefined when there is none to be had: no endpoint takes calls, or `turnAway` was called. */
  acquire(request: PromptRequest): Promise<State | undefined>;
  /** To be called when places may have become free. */
  serve(): void;
  /** For good: sends away all who wait and all who come after. */
  turnAway(): void;
}

interface Waiting<State> {
  readonly home: State | undefined;
  readonly resolve: (state: State | undefined) => void;
}

/** Of those who wait, this many are looked at for one whose prompt begins as others did there. */
const lookedAt = 8;
/** The first in line lets others pass at most so often. */
const mostPassed = 8;

/**
 * Rows whose prompts begin alike have one endpoint as their home, whose server may have that beginning in its cache. They
 * go there where that costs nothing: it has a place, and not much less room than the others have.
 * @param allowanceOf calls that an endpoint takes now.
 * @param onTake told when a place is taken.
 */
export function createPlaces<State extends Takes>(
  endpoints: readonly State[],
  allowanceOf: (state: State) => number,
  onTake: (state: State) => void,
): Places<State> {
  const waiting: Waiting<State>[] = [];
  let limit = Infinity;
  let turningAway = false;
  let passed = 0;

  const inFlight = () => endpoints.reduce((sum, state) => sum + state.inFlight, 0);
  const allowance = () => endpoints.reduce((sum, state) => sum + allowanceOf(state), 0);
  const roomOf = (state: State) => allowanceOf(state) - state.inFlight;

  function find(home: State | undefined): State | undefined {
    if (inFlight() >= limit) return undefined;
    let best: State | undefined;
    let bestRoom = 0;
    for (const state of endpoints) {
      const room = roomOf(state);
      if (room > bestRoom) {
        best = state;
        bestRoom = room;
      }
    }
    return home !== undefined && roomOf(home) > 0 && 2 * roomOf(home) >= bestRoom ? home : best;
  }

  function take(state: State): State {
    state.inFlight++;
    onTake(state);
    return state;
  }

  function serve(): void {
    while (waiting.length > 0) {
      const state = find(waiting[0]!.home);
      if (state === undefined && allowance() > 0) return;
      const next = nextFor(state);
      waiting.splice(next, 1)[0]!.resolve(state && take(state));
    }
  }

  /** The first in line, unless one close behind is at home there. */
  function nextFor(state: State | undefined): number {
    if (endpoints.length < 2 || state === undefined || waiting[0]!.home === state || passed >= mostPassed) {
      passed = 0;
      return 0;
    }
    const atHome = waiting.slice(0, lookedAt).findIndex(({ home }) => home === state);
    passed = atHome > 0 ? passed + 1 : 0;
    return Math.max(0, atHome);
  }

  return {
    inFlight,
    allowance,
    setLimit(calls) {
      limit = calls;
      serve();
    },
    acquire(request) {
      if (turningAway) return Promise.resolve(undefined);
      const home = endpoints.length < 2 ? undefined : endpoints[beginningOf(request) % endpoints.length];
      const state = waiting.length === 0 ? find(home) : undefined;
      if (state !== undefined) return Promise.resolve(take(state));
      if (allowance() === 0) return Promise.resolve(undefined);
      return new Promise((resolve) => waiting.push({ home, resolve }));
    },
    serve,
    turnAway() {
      turningAway = true;
      for (const { resolve } of waiting.splice(0)) resolve(undefined);
    },
  };
}

const beginningCharacters = 256;

/** A hash of how a prompt begins. */
function beginningOf({ messages }: PromptRequest): number {
  const content = messages[0]?.content ?? "";
  const text = typeof content === "string" ? content : JSON.stringify(content[0] ?? "");
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length && at < beginningCharacters; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return hash >>> 0;
}
