/** A silent process counts as dead after this long; its heartbeat comes every quarter of it. */
export const processTimeoutMs = 8_000;
