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
  /**
   * Undefined when there is none to be had: no endpoint takes calls, or `turnAway` was called.
   * @param online of an online call: it goes before all rows, until this is aborted.
   */
  acquire(request: PromptRequest, online?: AbortSignal): Promise<State | undefined>;
  /** Gives a place back; to be followed by `serve`. */
  release(state: State, isOnline: boolean): void;
  /** To be called when places may have become free. */
  serve(): void;
  /** For good: sends away all who wait and all who come after. */
  turnAway(): void;
}

interface Waiting<State> {
  readonly home: State | undefined;
  readonly resolve: (state: State | undefined) => void;
}

/**
 * Whether a place is kept for online calls: none; one `within` the number of places, so that rows have one fewer (if
 * there are two at least); or one `beside` them, where that number is only what was found to be enough.
 */
export type KeptPlace = "none" | "within" | "beside";

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
  kept: KeptPlace = "none",
): Places<State> {
  const waiting: Waiting<State>[] = [];
  const onlineWaiting: Waiting<State>[] = [];
  let onlineInFlight = 0;
  let limit = Infinity;
  let turningAway = false;
  let passed = 0;

  const inFlight = () => endpoints.reduce((sum, state) => sum + state.inFlight, 0);
  const allowance = () => endpoints.reduce((sum, state) => sum + allowanceOf(state), 0);
  const most = (): number => Math.min(limit, allowance());

  function hasPlace(isOnline: boolean): boolean {
    if (kept === "none" || (kept === "within" && isOnline)) return inFlight() < limit;
    if (kept === "beside") return inFlight() < (isOnline ? most() + 1 : limit);
    const isFree = onlineInFlight === 0 && most() > 1;
    return inFlight() < most() - (isFree ? 1 : 0);
  }

  function find(home: State | undefined, isOnline = false): State | undefined {
    if (!hasPlace(isOnline)) return undefined;
    const beside = isOnline && kept === "beside" ? 1 : 0;
    const roomOf = (state: State): number => {
      const allowed = allowanceOf(state);
      return allowed === 0 ? 0 : allowed + beside - state.inFlight;
    };
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

  function take(state: State, isOnline: boolean): State {
    state.inFlight++;
    if (isOnline) onlineInFlight++;
    onTake(state);
    return state;
  }

  function serve(): void {
    while (onlineWaiting.length > 0) {
      const state = find(onlineWaiting[0]!.home, true);
      if (state === undefined && allowance() > 0) return;
      onlineWaiting.shift()!.resolve(state && take(state, true));
    }
    while (waiting.length > 0) {
      const state = find(waiting[0]!.home);
      if (state === undefined && allowance() > 0) return;
      const next = nextFor(state);
      waiting.splice(next, 1)[0]!.resolve(state && take(state, false));
    }
  }

  function waitOnline(home: State | undefined, signal: AbortSignal): Promise<State | undefined> {
    return new Promise((resolve) => {
      const leave = (): void => {
        onlineWaiting.splice(onlineWaiting.indexOf(one), 1);
        resolve(undefined);
      };
      const one: Waiting<State> = {
        home,
        resolve(state) {
          signal.removeEventListener("abort", leave);
          resolve(state);
        },
      };
      onlineWaiting.push(one);
      signal.addEventListener("abort", leave, { once: true });
    });
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
    acquire(request, online) {
      if (turningAway || online?.aborted) return Promise.resolve(undefined);
      const home = endpoints.length < 2 ? undefined : endpoints[beginningOf(request) % endpoints.length];
      const isFirst = onlineWaiting.length === 0 && (online !== undefined || waiting.length === 0);
      const state = isFirst ? find(home, online !== undefined) : undefined;
      if (state !== undefined) return Promise.resolve(take(state, online !== undefined));
      if (allowance() === 0) return Promise.resolve(undefined);
      if (online !== undefined) return waitOnline(home, online);
      return new Promise((resolve) => waiting.push({ home, resolve }));
    },
    release(state, isOnline) {
      state.inFlight--;
      if (isOnline) onlineInFlight--;
    },
    serve,
    turnAway() {
      turningAway = true;
      for (const { resolve } of [...onlineWaiting.splice(0), ...waiting.splice(0)]) resolve(undefined);
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
