import { hash } from "node:crypto";

/*
 * What a chain is made of. A file holds groups of JSON lines, each group followed by its seal:
 *   {"time":"…","batch":"…","row":7,…,"prompt":"…"}
 *   {"seal":12,"hash":"…"}
 * The hash is SHA-256 over the hash before, the number of the seal and the bytes of the group's lines.
 */

/** Where a chain ends, or was once. */
export interface AuditHead {
  /** `DAY/PROCESS`, its file without suffix. */
  readonly chain: string;
  readonly seal: number;
  readonly hash: string;
}

/** What the first seal of a process is linked to: a chain under another name does not fit. */
export const firstLink = (processId: string): string => `promptfleet audit ${processId}`;

export const linked = (before: string, seal: number): string => `${before}\n${seal}\n`;

export const sealHash = (before: string, lines: string, seal: number): string =>
  hash("sha256", linked(before, seal) + lines);

export const sealPrefix = '{"seal":';
export const sealLine = (seal: number, hashOfIt: string): string => `${sealPrefix}${seal},"hash":"${hashOfIt}"}\n`;

/** Of one length, so that it is written over the one before. */
export const headText = (seal: number, hashOfIt: string): string =>
  `${sealLine(seal, hashOfIt).trimEnd().padEnd(127)}\n`;

/** `DAY/PROCESS:SEAL:HASH`, as a run's summary has it. */
export const headName = ({ chain, seal, hash: hashOfIt }: AuditHead): string => `${chain}:${seal}:${hashOfIt}`;

export function readHeadName(name: string): AuditHead | undefined {
  const [, chain, seal, hashOfIt] = /^(\d{4}-\d\d-\d\d\/[^/:]+):(\d+):([0-9a-f]{64})$/.exec(name.trim()) ?? [];
  return chain === undefined ? undefined : { chain, seal: Number(seal), hash: hashOfIt! };
}
