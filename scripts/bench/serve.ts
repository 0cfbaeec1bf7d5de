/**
 * What `serve` takes for a large upload, for the order of a batch of a million lines, and for those who watch its
 * dashboard: node scripts/bench/serve.ts [--megabytes N] [--lines N] [--seconds N] [--rounds N] [--program PATH]
 */
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { request } from "undici";
import { until } from "../../test/support/until.ts";
import { type Figure, inWords, median } from "./figures.ts";
import { builtProgram } from "./fleet-run.ts";
import { printFigures, readOptions } from "./run-alone.ts";
import { type ServedProgram, startServed } from "./served-program.ts";
import { startInstantServer } from "./simulated-server.ts";
import { inWorkplace } from "./workplace.ts";

/** `seconds` is how long the server is watched with each number of viewers, in each round. */
export const serveDefaults = {
  megabytes: 500,
  lines: 1_000_000,
  batches: 200,
  seconds: 8,
  rounds: 3,
  program: builtProgram,
};

const tiers = 20;
const viewers = 20;
const linesPerWrite = 1_000;

export interface ServeMeasured {
  readonly figures: readonly Figure[];
}

export async function measureServe(options: typeof serveDefaults): Promise<ServeMeasured> {
  const backend = await startInstantServer();
  const baseUrl = backend.baseUrl;
  const withServer = (part: (server: ServedProgram) => Promise<Figure[]>) =>
    inWorkplace(async (directory) => {
      const server = await startServed(directory, options.program, configOf(baseUrl));
      try {
        return await part(server);
      } finally {
        await server.stop();
      }
    });
  try {
    const uploads = await withServer((server) => measureUploads(server, options));
    const orders = await withServer((server) => measureOrders(server, options));
    return { figures: [...uploads, ...orders, ...(await withServer((server) => measureViewers(server, options)))] };
  } finally {
    await backend.stop();
  }
}

/** Each tier lets five calls a second through, so that all of them are busy and none is what costs. */
function configOf(baseUrl: string): object {
  const names = Array.from({ length: tiers }, (_, tier) => `tier${tier}`);
  const tier = { provider: "openai-compatible", baseUrl, location: "local", concurrency: 4, limits: { rpm: 300 } };
  return {
    tiers: Object.fromEntries(names.map((name) => [name, tier])),
    models: Object.fromEntries(names.map((name, at) => [`model${at}`, { tier: name, model: "simulated-model" }])),
    tasks: { simple: { primary: "model0" } },
    serve: { limits: { maxRequestsPerMinute: 1e6 } },
  };
}

/**
 * A tenth of it first, then the large one. Not less than that: the young heap of V8, 48 MB, is touched for the first time
 * by tens of megabytes of any upload.
 */
async function measureUploads({ url, process }: ServedProgram, { megabytes }: typeof serveDefaults): Promise<Figure[]> {
  let peakMb = 0;
  const watching = setInterval(() => {
    peakMb = Math.max(peakMb, process.rssMb());
  }, 20);
  const upload = async (size: number) => {
    peakMb = 0;
    const line = lineOf(0, 0, 1_000);
    const startedMs = performance.now();
    await uploadLines(url, Math.ceil((size * 1e6) / line.length), () => line);
    return { peakMb, megabytesPerSecond: size / ((performance.now() - startedMs) / 1_000) };
  };
  try {
    await upload(5);
    const small = await upload(megabytes / 10);
    const large = await upload(megabytes);
    const ratio = large.peakMb / small.peakMb;
    return [
      {
        what: `Upload of ${megabytes} MB to \`serve\`: peak memory of the server against one of ${megabytes / 10} MB`,
        figure: `${inWords(ratio)} × (${inWords(large.peakMb)} against ${inWords(small.peakMb)} MB), ${inWords(large.megabytesPerSecond)} MB/s`,
        goal: "≤ 1.25 ×",
        met: ratio <= 1.25,
      },
    ];
  } finally {
    clearInterval(watching);
  }
}

/** The order is answered before its lines were looked at; each batch is cancelled before the next is ordered. */
async function measureOrders({ url }: ServedProgram, { lines }: typeof serveDefaults): Promise<Figure[]> {
  const fileId = await uploadLines(url, lines, (row) => lineOf(row, 0, 1));
  const times: number[] = [];
  for (let order = 0; order < 3; order++) {
    const startedMs = performance.now();
    const { id, status } = await orderBatch(url, fileId);
    times.push(performance.now() - startedMs);
    if (status !== "validating") throw new Error(`the order was answered with status ${status}`);
    await post(`${url}/v1/batches/${id}/cancel`, {});
    await until("the batch to end", async () => (await get(`${url}/v1/batches/${id}`)).status === "cancelled", 60_000);
  }
  return [
    {
      what: `Order of a batch of ${inWords(lines)} lines, its lines looked at behind it: ms to the answer, median of 3`,
      figure: inWords(median(times)),
      goal: "≤ 1,000",
      met: median(times) <= 1_000,
    },
  ];
}

/** All batches go on all the while; the numbers of viewers take turns, so that what disturbs one disturbs all. */
async function measureViewers(
  server: ServedProgram,
  { batches, seconds, rounds }: typeof serveDefaults,
): Promise<Figure[]> {
  for (let batch = 0; batch < batches; batch++) {
    const fileId = await uploadLines(server.url, 1_000, (row) => lineOf(row, batch % tiers, 1));
    await orderBatch(server.url, fileId);
  }
  await until(
    "all batches to go on",
    async () => {
      const { data } = await get(`${server.url}/v1/batches?limit=100`);
      return (data as { status: string }[]).every(({ status }) => status === "in_progress");
    },
    60_000,
  );
  const shares = new Map<number, number[]>([0, 1, viewers].map((count) => [count, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [count, of] of shares) of.push(await cpuShare(server, count, seconds));
  }
  const [none, one, many] = [...shares.values()].map(median) as [number, number, number];
  const perViewer = (many - none) / viewers;
  return [
    {
      what: `Dashboard of ${tiers} tiers and ${batches} batches that go on: CPU of \`serve\` a viewer, of a core (with 0, 1 and ${viewers} viewers)`,
      figure: `${inWords(perViewer)} % (${[none, one, many].map((share) => `${inWords(share)} %`).join(", ")})`,
      goal: "< 2 %",
      met: perViewer < 2,
    },
  ];
}

/** Per cent of a core, with so many who watch and read all that they are sent. */
async function cpuShare({ url, process }: ServedProgram, count: number, seconds: number): Promise<number> {
  const watching = new AbortController();
  const streams = Array.from({ length: count }, async () => {
    const { body } = await request(`${url}/dashboard/events`, { signal: watching.signal, bodyTimeout: 0 });
    for await (const _ of body);
  });
  const ended = Promise.allSettled(streams);
  // Who comes is sent everything once; that is not what watching costs.
  await sleep(2_000);
  const [cpuMs, startedMs] = [process.cpuMs(), performance.now()];
  await sleep(seconds * 1_000);
  const share = (100 * (process.cpuMs() - cpuMs)) / (performance.now() - startedMs);
  watching.abort();
  await ended;
  return share;
}

const lineOf = (row: number, model: number, words: number): string => {
  const messages = [{ role: "user", content: `${"word ".repeat(words)} #r${row}` }];
  const body = { model: `model${model}`, messages };
  return `${JSON.stringify({ custom_id: `r${row}`, method: "POST", url: "/v1/chat/completions", body })}\n`;
};

async function uploadLines(url: string, lines: number, lineAt: (row: number) => string): Promise<string> {
  const boundary = "promptfleet-bench";
  function* form(): Generator<string> {
    yield `--${boundary}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n`;
    yield `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="in.jsonl"\r\n\r\n`;
    for (let row = 0; row < lines; row += linesPerWrite) {
      const count = Math.min(linesPerWrite, lines - row);
      yield Array.from({ length: count }, (_, at) => lineAt(row + at)).join("");
    }
    yield `\r\n--${boundary}--\r\n`;
  }
  const headers = { "content-type": `multipart/form-data; boundary=${boundary}` };
  const { id } = await read(
    await request(`${url}/v1/files`, { method: "POST", headers, body: Readable.from(form()), headersTimeout: 120_000 }),
  );
  return id as string;
}

const orderBatch = (url: string, fileId: string) =>
  post(`${url}/v1/batches`, {
    input_file_id: fileId,
    endpoint: "/v1/chat/completions",
    completion_window: "24h",
  });

const get = async (url: string) => read(await request(url));
const post = async (url: string, body: object) =>
  read(
    await request(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
  );

async function read({ statusCode, body }: Awaited<ReturnType<typeof request>>): Promise<Record<string, unknown>> {
  const text = await body.text();
  if (statusCode !== 200) throw new Error(`the server answered with status ${statusCode}: ${text.slice(0, 300)}`);
  return JSON.parse(text) as Record<string, unknown>;
}

if (import.meta.main) printFigures((await measureServe(readOptions(serveDefaults))).figures);
