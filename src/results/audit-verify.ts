import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { type ChainFile, type ChainGroup, linesOf, listChainFiles, readGroups, readHead } from "./audit-chains.ts";
import { type AuditHead, firstLink, headText, linked, sealLine } from "./audit-lines.ts";

/** Where a chain once ended, and who says so. */
export interface Witnessed extends AuditHead {
  readonly by: string;
}

export interface AuditVerdict {
  readonly chains: number;
  readonly records: number;
  /** Each says where; none when the audit is whole. */
  readonly problems: readonly string[];
  /** What is no damage but good to know. */
  readonly notes: readonly string[];
}

type Identity = { readonly host: string; readonly pid: number; readonly startedAt: string };

/** A process' chain as far as it has been read. */
interface ReadChain {
  /** The hash of each seal by its number. */
  readonly links: string[];
  link: string;
  seal: number;
  closed: boolean;
  goesOn: string | undefined;
  identity: Identity | undefined;
}

/**
 * Reads every chain, link by link, and compares where they end with what their head files, other chains and the given
 * witnesses (Redis, a run's summary) say: an edit, a gap, a removed file, a cut end.
 * @param isRunning whether a chain's process may still be writing.
 */
export async function verifyAudit(
  directory: string,
  given: readonly Witnessed[],
  isRunning: (identity: Identity) => boolean,
): Promise<AuditVerdict> {
  const problems: string[] = [];
  const notes: string[] = [];
  const witnessed: Witnessed[] = [...given];
  const chains = new Map<string, ReadChain>();
  let records = 0;

  function readLines(file: ChainFile, chain: ReadChain, group: ChainGroup): void {
    for (const line of linesOf(group)) {
      if (typeof line.batch === "string") records++;
      else if (typeof line.open === "string") openFile(file, chain, line);
      else if (typeof line.goesOn === "string") chain.goesOn = line.goesOn;
      else if (typeof line.close === "string") chain.closed = true;
      witnessed.push(...headsIn(line.witness, file.path));
    }
  }

  function openFile({ path, day }: ChainFile, chain: ReadChain, line: Record<string, unknown>): void {
    chain.identity = line as unknown as Identity;
    witnessed.push(...headsIn(line.others, path));
    if (chain.goesOn !== undefined && chain.goesOn !== day) {
      problems.push(`${path}: its chain went on in ${chain.goesOn}, and that file is gone`);
    }
    chain.goesOn = undefined;
  }

  function readGroup(file: ChainFile, chain: ReadChain, group: ChainGroup): void {
    const { bytes, firstLine, sealText } = group;
    const where = `${file.path}:${firstLine}`;
    if (sealText === undefined) {
      const what = `${where}: ${bytes.length} bytes at its end are under no seal`;
      if (chain.closed || chain.goesOn !== undefined) problems.push(`${what}, after the chain was closed`);
      else if (!mayRun(chain)) notes.push(`${what}: its process was killed while it wrote, and had not sent this`);
      return;
    }
    const [, number, stated] = /^\{"seal":(\d+),"hash":"([0-9a-f]{64})"\}\n$/.exec(sealText) ?? [];
    if (number === undefined || stated === undefined) {
      problems.push(`${where}: its seal was edited`);
      return;
    }
    const seal = Number(number);
    const computed = createHash("sha256").update(linked(chain.link, seal)).update(bytes).digest("hex");
    if (chain.closed || (chain.goesOn !== undefined && firstLine > 1)) problems.push(`${where}: lines after its end`);
    if (seal !== chain.seal + 1) {
      problems.push(`${where}: seal ${seal} follows seal ${chain.seal}: what lay between is gone`);
    } else if (sealLine(seal, computed) !== sealText) {
      const lastLine = firstLine + bytes.toString("latin1").split("\n").length - 1;
      problems.push(`${where}: lines ${firstLine} to ${lastLine} are not as they were sealed (seal ${seal})`);
    }
    chain.seal = seal;
    chain.link = stated;
    chain.links[seal] = stated;
    // What was edited says nothing.
    if (sealLine(seal, computed) === sealText) readLines(file, chain, group);
  }

  function checkHead(file: ChainFile, chain: ReadChain, head: AuditHead | undefined): void {
    const { path, headPath } = file;
    if (head === undefined) {
      if (statSync(path).size > 0)
        problems.push(`${headPath} is gone or unreadable: where its chain ended is not known`);
      return;
    }
    if (head.seal > chain.seal) {
      problems.push(`${path}: it ends with seal ${chain.seal}, and seal ${head.seal} was written: its end is cut`);
      return;
    }
    const isPast = chain.closed || chain.goesOn !== undefined;
    // A kill between the two writes leaves the head one behind.
    const mostBehind = isPast ? 0 : mayRun(chain) ? Number.POSITIVE_INFINITY : 1;
    const fits = chain.links[head.seal] === head.hash && chain.seal - head.seal <= mostBehind;
    const whole = mayRun(chain) || readFileSync(headPath, "utf8") === headText(head.seal, head.hash);
    if (!fits || !whole) problems.push(`${headPath} does not fit its chain: one of the two was changed`);
  }

  const mayRun = (chain: ReadChain): boolean =>
    !chain.closed && chain.identity !== undefined && isRunning(chain.identity);

  for (const file of listChainFiles(directory)) {
    const { processId, path } = file;
    if (!existsSync(path)) {
      problems.push(`${path} is gone: its head file is still there`);
      continue;
    }
    const chain = chains.get(processId) ?? newChain(processId);
    chains.set(processId, chain);
    // Read before its chain, which may grow meanwhile.
    const head = readHead(file);
    for await (const group of readGroups(path)) readGroup(file, chain, group);
    checkHead(file, chain, head);
  }
  for (const [processId, chain] of chains) {
    if (chain.goesOn !== undefined && !mayRun(chain)) {
      problems.push(`the chain of ${processId} went on in ${chain.goesOn}, and that file is gone`);
    } else if (!chain.closed && chain.seal > 0 && !mayRun(chain)) {
      notes.push(`the chain of ${processId} was not closed: its process was killed after seal ${chain.seal}`);
    }
  }
  problems.push(...new Set(witnessed.flatMap((head) => compare(head, chains.get(processOf(head))))));
  return { chains: chains.size, records, problems, notes };
}

function headsIn(value: unknown, by: string): Witnessed[] {
  if (!Array.isArray(value)) return [];
  return (value as Partial<AuditHead>[]).flatMap(({ chain, seal, hash }) =>
    typeof chain === "string" && typeof seal === "number" && typeof hash === "string"
      ? [{ chain, seal, hash, by }]
      : [],
  );
}

const processOf = ({ chain }: AuditHead): string => chain.slice(chain.indexOf("/") + 1);

const newChain = (processId: string): ReadChain => ({
  links: [],
  link: firstLink(processId),
  seal: 0,
  closed: false,
  goesOn: undefined,
  identity: undefined,
});

function compare({ chain: name, seal, hash, by }: Witnessed, chain: ReadChain | undefined): string[] {
  if (chain === undefined) return [`${name}.jsonl is gone: ${by} knows of it`];
  if (seal > chain.seal) return [`${name}.jsonl ends with seal ${chain.seal}, and ${by} knows of more: its end is cut`];
  if (chain.links[seal] === hash) return [];
  return [`${name}.jsonl is not what it was: its seal ${seal} is another than ${by} knows`];
}
