import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import type { Adapter } from "../workers/adapter.ts";
import { adapters } from "../workers/index.ts";
import { findModel } from "./config/ad-hoc.ts";
import { rowsTogether } from "./config/limits.ts";
import type { JobLabels, RowAction, RowPayload, Settlement } from "./job/batch.ts";
import { messageOf } from "./job/errors.ts";
import { processTimeoutMs } from "./job/heartbeat.ts";
import { createLatencies } from "./job/latency.ts";
import { createTroubles } from "./job/troubles.ts";
import type { JoinOptions } from "./join-options.ts";
import { announceTier } from "./pool/announce-tier.ts";
import { askOnline, type OnlineContext, type OnlineRow } from "./pool/ask-online.ts";
import { dividePools } from "./pool/divide-pools.ts";
import type { ExecuteContext } from "./pool/execute-job.ts";
import { createForeignTurns } from "./pool/foreign-turn.ts";
import { createGate } from "./pool/gate.ts";
import { createIsolation } from "./pool/isolation.ts";
import { createRequestKeeper } from "./pool/keep-requests.ts";
import { createMeasures } from "./pool/measures.ts";
import { createMembership } from "./pool/membership.ts";
import { createModelTables } from "./pool/model-tables.ts";
import { notePausedQueues } from "./pool/note-paused-queues.ts";
import { createOmittedOptions } from "./pool/omitted-options.ts";
import { onceEach } from "./pool/once-each.ts";
import { createPace } from "./pool/pace.ts";
import { noticeOf, type ProcessNotice } from "./pool/process-notice.ts";
import { createRecentFailures } from "./pool/recent-failures.ts";
import { createQuotaReporter } from "./pool/report-quota.ts";
import { runBesideQueue } from "./pool/run-beside-queue.ts";
import { type RunningPool, runPool } from "./pool/run-pool.ts";
import { sayLeases } from "./pool/say-leases.ts";
import { createTurns } from "./pool/take-turn.ts";
import { openTierPool } from "./pool/tier-pool.ts";
import { createBatchClaims } from "./queue/claim-batch.ts";
import { connectRedis } from "./queue/connection.ts";
import { forgetOwnerless } from "./queue/forget-ownerless.ts";
import { watchMemory } from "./queue/memory-watch.ts";
import { fleetNames } from "./queue/names.ts";
import { createPlaceRows, type PlaceRows, placeHop } from "./queue/place-rows.ts";
import { identityOfThisProcess } from "./queue/process-identity.ts";
import { agreeOnProtocol } from "./queue/protocol-version.ts";
import { openTierQueues } from "./queue/tier-queues.ts";
import { watchIncarnation } from "./queue/watch-incarnation.ts";
import { openAuditTrail } from "./results/audit-trail.ts";
import { createRecorder } from "./results/record-once.ts";
import { statePath } from "./results/run-state.ts";
import { createTurnSettler } from "./results/settle-turns.ts";
import { openSpendLedger } from "./results/spend-ledger.ts";
import { prefersLatency } from "./routing/choose-model.ts";
import { createPrivacyGate } from "./routing/privacy-gate.ts";
import { hasFallback } from "./routing/usable-tier.ts";
import { startTraces } from "./traces/start-traces.ts";

const builtInAdapters: Partial<Record<string, Adapter>> = adapters;

export type Fleet = Awaited<ReturnType<typeof joinFleet>>;

/** Joins a fleet on one Redis: the wiring of everything that more than one stage needs, and the map of the program. */
export async function joinFleet(options: JoinOptions) {
  const { config, redis: address, foreignJob, alone = false, replaceConfig = false } = options;
  const { servesOnline = false, worksQueues = true } = options;
  const latencies = options.latencies ?? createLatencies();
  const processId = `${process.pid}-${randomBytes(6).toString("hex")}`;
  const names = fleetNames(config.fleet);
  const redis = connectRedis(address, "fleet");
  const queueRedis = connectRedis(address, "queues", true);
  const troubles = createTroubles();
  const noteTrouble = troubles.at;

  try {
    await agreeOnProtocol(redis, names, processTimeoutMs);
  } catch (error) {
    redis.disconnect();
    queueRedis.disconnect();
    throw error;
  }
  const incarnation = await watchIncarnation(redis, {
    onAway: () => noteTrouble("connection")("Redis is not reachable"),
    onReady: () => noteTrouble("connection")(undefined),
    onChange: () => membership.beat(),
  });

  const traces = await startTraces(config.fleet);
  const queues = openTierQueues(queueRedis, names, traces?.ofQueues);
  const claims = createBatchClaims(redis, names);
  const memory = watchMemory(redis);
  const togetherIn = new Map(Object.keys(config.tiers).map((tier) => [tier, rowsTogether(config, tier)]));
  const placeAll = createPlaceRows(redis, names, queues, memory.tooFull, noteTrouble("feed"));
  const placeRows: PlaceRows = (place, rows, rowsPerJob) =>
    placeAll(place, rows, (tier) => Math.min(rowsPerJob(tier), togetherIn.get(tier) ?? 1));
  const record = createRecorder(redis, names, processId, incarnation, noteTrouble("record"));
  const gate = createGate(redis, names, processId, incarnation.current, noteTrouble("gate"));
  const whose = { processId, identity: identityOfThisProcess() };
  const audit = openAuditTrail({ directory: options.auditDirectory, ...whose, redis, names });
  const reportQuota = createQuotaReporter(redis, names);
  const takeTurn = createTurns(redis, names, processId);
  const turns = createTurnSettler(redis, names, processId, noteTrouble("record"));
  const keepRequests = servesOnline ? createRequestKeeper(redis, names, config) : () => {};
  const ledger = openSpendLedger(redis, names, config, options.ledgerDirectory);
  const pools = new Map<string, RunningPool>();
  const failures = createRecentFailures();
  const measures = createMeasures(redis, names, config, latencies, traces?.callEnded);
  const ownNotice = () => noticeOf(pools, failures.last(), measures.windows());
  const membership = createMembership(redis, names, processId, ownNotice, onBeat);
  const startPool = onceEach(openPool);
  const adapterOf = (provider: string) => options.adapters?.[provider] ?? builtInAdapters[provider];
  if (alone) await membership.buryOthers();
  await membership.beat();
  if (prefersLatency(config)) await measures.share();

  function onBeat(): void {
    dividePools(processId, membership, pools);
    sayLeases(redis, names, processId, pools);
    keepRequests();
    notePausedQueues(redis, names, pools).catch(() => {});
    ledger.sync().then(
      () => noteTrouble("ledger")(undefined),
      (error) => noteTrouble("ledger")(messageOf(error)),
    );
    measures.share().catch(() => {});
    memory.look().catch(() => {});
    queues.noteClock().catch(() => {});
  }

  const { modelOf, hasBudget } = createModelTables(redis, names, config);
  let callNumber = 0;
  const omitted = createOmittedOptions();
  const context: ExecuteContext = {
    processId,
    gate,
    hasBudget,
    settle: (job: JobLabels, call: string, action: RowAction, settlement?: Settlement) =>
      record(job.batch, { row: job.row, generation: job.generation, call, action, settlement }),
    modelOf,
    async placeHop(job: JobLabels, hop: number, position: number, payload: RowPayload) {
      const alias = payload.route[position]!;
      const model = await modelOf(job.batch, alias);
      await placeHop(queues, model.tier, { ...job, hop, model: alias });
    },
    noteOmitted: omitted.note,
    noteLatency: latencies.note,
    noteFailure: failures.note,
    meter: measures.meter,
    nextCallNumber: () => ++callNumber,
    rowsInHand: new Set(),
    isolation: createIsolation(),
    async isUsable(batchId, alias) {
      const model = await modelOf(batchId, alias);
      const pool = pools.get(model.tier)?.pool;
      return pool !== undefined && (await pool.canTake(model.model));
    },
  };

  const onlineContext: OnlineContext = {
    processId,
    takeTurn,
    nextCallNumber: context.nextCallNumber,
    async poolOf(alias) {
      const model = findModel(config, alias);
      if (model !== undefined) await startPool(model.tier);
      const pool = pools.get(model?.tier ?? "")?.pool;
      return model && pool && { model, pool };
    },
    settle: turns.settle,
    noteLatency: context.noteLatency,
    noteOmitted: context.noteOmitted,
  };

  async function openPool(tierName: string): Promise<void> {
    const tier = config.tiers[tierName];
    const adapter = tier && adapterOf(tier.provider);
    if (tier === undefined || adapter === undefined || pools.has(tierName)) return;
    const others = membership.membersOf(tierName).filter((member) => member !== processId);
    await announceTier(redis, names, tier, others.length > 0, replaceConfig);
    const pool = openTierPool({
      tier,
      adapter,
      apiKey: config.keyOf(tierName),
      rereadKey: () => config.rereadKeyOf(tierName),
      trustedHosts: config.policy.trustedHosts,
      ...createPrivacyGate(config, options.noPrivateRows),
      pullModels: options.pullModels ?? false,
      hasFallback: hasFallback(config, tierName),
      audit: audit?.note,
      pace: createPace(tier, Object.values(config.models), reportQuota, servesOnline),
      servesOnline,
      onCallEnded: measures.callEnded,
      onChange: () => pools.get(tierName)?.applyCapacity(),
    });
    const work = () => runPool(pool, queues.of(tierName), queueRedis, context, foreignJob);
    pools.set(tierName, worksQueues ? work() : runBesideQueue(pool));
    await membership.beat();
    // What it heard may have made it the one that searches: others shall know at once.
    await membership.beat();
  }

  return {
    config,
    processId,
    names,
    redis,
    queues,
    claims,
    placeRows,
    record,
    waitForTurn: createForeignTurns(onlineContext),
    /** Asks a row at once, in no queue; see online-call.ts, which makes the row. */
    askOnline: (row: OnlineRow) => askOnline(row, onlineContext),
    latencies,
    noPrivateRows: options.noPrivateRows,
    hasAdapter: (provider: string) => adapterOf(provider) !== undefined,
    /** Ends batches that nobody can come back for. */
    forgetOwnerless: () => forgetOwnerless(redis, names, claims, (output) => existsSync(statePath(output))),
    incarnation: incarnation.current,
    onIncarnation: incarnation.on,
    offIncarnation: incarnation.off,
    connectBlocking: (purpose: string) => connectRedis(address, purpose),
    /** Options that models cannot take and that were left out here, by alias. */
    omittedOptions: omitted.all,
    /** Why Redis holds things up, if it does. */
    redisTrouble: troubles.first,
    /** Calls that this process may have in flight at a tier, when it works it. */
    concurrencyOf: (tierName: string): number | undefined => pools.get(tierName)?.pool.sizes.full(),
    pools: (): readonly RunningPool[] => [...pools.values()],
    measures,
    /** What the living processes of the fleet say of themselves, by their ids: this one now, others at their last beat. */
    processes: (): ReadonlyMap<string, ProcessNotice> => new Map([...membership.living(), [processId, ownNotice()]]),
    /** Starts this process' pool of a tier; does nothing when it runs. */
    startPool,
    /** Finishes what is in flight here (`gracefully`), or hands it back, and leaves the fleet. */
    async leave(gracefully: boolean): Promise<void> {
      await Promise.all([...pools.values()].map((running) => (gracefully ? running.drain() : running.stopNow())));
    },
    /** Where this process' audit ends; undefined while it has sent nothing. */
    auditHead: () => audit?.head(),
    async close(): Promise<void> {
      await turns.settled();
      await audit?.close();
      // What was measured since the last beat: a short run has none.
      if (redis.status === "ready") await measures.share().catch(() => {});
      await membership.leave();
      await queues.close();
      await traces?.close();
      redis.disconnect();
      queueRedis.disconnect();
    },
  };
}
