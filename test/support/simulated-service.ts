/** SIMULATED servers in virtual time, for controllers: no socket, no clock; 30 s of 64 slots take milliseconds. */
export interface ServiceModel {
  /** Calls that are worked on at once; the rest queue, first come, first served. Default: no bound. */
  readonly slots?: number;
  /** How fast each of `active` calls is worked on: 1 is as fast as if it were alone. Default 1. */
  readonly speed?: (active: number, queued: number) => number;
  /** The same, as it was when the call began to be worked on. Default 1. */
  readonly startSpeed?: (active: number) => number;
  /** Milliseconds of work of one call when it is alone. */
  readonly workMs: (random: () => number) => number;
  /** Until a call that was sent gets there: it is in flight, and the server does not know of it yet. Default: at once. */
  readonly onTheWayMs?: (random: () => number) => number;
  /** Calls that may wait; more are refused. Default: no bound. */
  readonly longestQueue?: number;
}

/** One process that sends as many calls as its limit lets it. */
export interface SimulatedClient {
  limit(nowMs: number): number;
  onStart(nowMs: number): void;
  onEnd(nowMs: number, latencyMs: number, kind: "answered" | "refused"): void;
  onTick?(nowMs: number, gauges: { readonly running: number; readonly waiting: number }): void;
  /** Rows that it has to send, per second; default: always some. */
  readonly rowsPerSecond?: number;
}

export interface ServiceSample {
  readonly atMs: number;
  readonly answered: number;
  readonly busyMs: number;
  readonly inFlight: number;
  readonly waiting: number;
  readonly limits: readonly number[];
}

interface Call {
  readonly client: number;
  readonly startedMs: number;
  readonly work: number;
  /** When it gets there, and what has been worked off when it ends. */
  readonly arrivesMs: number;
  endsAtWork: number;
}

export interface ServiceRun {
  readonly model: ServiceModel;
  /** Changes of the server, in order of time. */
  readonly changes?: readonly { readonly atMs: number; readonly model: ServiceModel }[];
  readonly clients: readonly SimulatedClient[];
  /** Which clients live, by time; default: all, always. */
  readonly livesAt?: (client: number, nowMs: number) => boolean;
  readonly forMs: number;
  readonly random: () => number;
}

const tickMs = 100;

/** One sample each 100 ms. All active calls are worked on at one speed, so that they end in the order of their work. */
export function simulateService(run: ServiceRun): ServiceSample[] {
  const { clients, random, forMs } = run;
  let model = run.model;
  const changes = [...(run.changes ?? [])];
  const lives = run.livesAt ?? (() => true);
  const active: Call[] = [];
  const queue: Call[] = [];
  /** Last to arrive first, as with `active`. */
  const onTheWay: Call[] = [];
  const inFlight = clients.map(() => 0);
  const owed = clients.map(() => 0);
  let [nowMs, workDone, answered, busyMs] = [0, 0, 0, 0];
  const samples: ServiceSample[] = [];

  function activate(call: Call): void {
    call.endsAtWork = workDone + call.work / (model.startSpeed?.(active.length + 1) ?? 1);
    insert(active, call, ({ endsAtWork }) => endsAtWork);
  }

  function arrive(call: Call): void {
    queue.push(call);
    fillSlots();
  }

  function fillSlots(): void {
    while (queue.length > 0 && active.length < (model.slots ?? Infinity)) activate(queue.shift()!);
  }

  function send(): void {
    for (const [number, client] of clients.entries()) {
      if (!lives(number, nowMs)) continue;
      while (inFlight[number]! < client.limit(nowMs) && (client.rowsPerSecond === undefined || owed[number]! >= 1)) {
        owed[number]!--;
        if (active.length >= (model.slots ?? Infinity) && queue.length >= (model.longestQueue ?? Infinity)) {
          client.onStart(nowMs);
          client.onEnd(nowMs, 0, "refused");
          break;
        }
        inFlight[number]!++;
        client.onStart(nowMs);
        const work = model.workMs(random);
        const arrivesMs = nowMs + (model.onTheWayMs?.(random) ?? 0);
        const call = { client: number, startedMs: nowMs, work, arrivesMs, endsAtWork: 0 };
        if (arrivesMs > nowMs) insert(onTheWay, call, (one) => one.arrivesMs);
        else arrive(call);
      }
    }
  }

  function end(call: Call): void {
    inFlight[call.client]!--;
    if (!lives(call.client, nowMs)) return;
    answered++;
    clients[call.client]!.onEnd(nowMs, nowMs - call.startedMs, "answered");
  }

  send();
  for (let tickAtMs = tickMs; tickAtMs <= forMs; tickAtMs += tickMs) {
    for (;;) {
      const speed = model.speed?.(active.length, queue.length) ?? 1;
      const first = active.at(-1);
      const endsAtMs = first === undefined ? Infinity : nowMs + (first.endsAtWork - workDone) / speed;
      const arrivesMs = onTheWay.at(-1)?.arrivesMs ?? Infinity;
      const untilMs = Math.min(endsAtMs, arrivesMs, tickAtMs);
      busyMs += active.length * (untilMs - nowMs);
      workDone += speed * (untilMs - nowMs);
      nowMs = untilMs;
      if (arrivesMs < endsAtMs && arrivesMs <= tickAtMs) {
        arrive(onTheWay.pop()!);
        continue;
      }
      if (first === undefined || endsAtMs > tickAtMs) break;
      active.pop();
      end(first);
      fillSlots();
      send();
    }
    nowMs = tickAtMs;
    while (changes.length > 0 && changes[0]!.atMs <= nowMs) model = changes.shift()!.model;
    fillSlots();
    for (const [number, client] of clients.entries()) {
      owed[number] = Math.min(1_000, owed[number]! + ((client.rowsPerSecond ?? 0) * tickMs) / 1_000);
      if (lives(number, nowMs)) client.onTick?.(nowMs, { running: active.length, waiting: queue.length });
    }
    send();
    samples.push({
      atMs: nowMs,
      answered,
      busyMs,
      inFlight: onTheWay.length + active.length + queue.length,
      waiting: queue.length,
      limits: clients.map((client) => client.limit(nowMs)),
    });
  }
  return samples;
}

/** Into calls in descending order of a number. */
function insert(calls: Call[], call: Call, of: (call: Call) => number): void {
  let [low, high] = [0, calls.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (of(calls[middle]!) > of(call)) low = middle + 1;
    else high = middle;
  }
  calls.splice(low, 0, call);
}

export const lognormal =
  (medianMs: number, sigma: number) =>
  (random: () => number): number => {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return medianMs * Math.exp(sigma * normal);
  };
