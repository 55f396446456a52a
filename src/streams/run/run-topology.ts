import { lastValueFrom, type Observable, Observable as Stream } from 'rxjs';
import { describeTopology } from '../config/describe.js';
import { hasStage, rolesOf } from '../config/graph/topology-graph.js';
import { requireModules } from '../config/named-modules.js';
import type { ModelFacts } from '../config/resolved/model-facts.js';
import { progressAt } from '../config/resolved/progress-at.js';
import { hasIncomingPrompts } from '../config/resolved/prompt-sources.js';
import { rewardBound } from '../config/resolved/reward-parts.js';
import { findStage } from '../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import { openRunControl } from '../control/run-control.js';
import { readCheckpointFiles } from '../directory/checkpoint-files.js';
import type { RunDirectory } from '../directory/run-directory.js';
import { RUN_KEY } from '../messages/messages.js';
import type { Observe } from '../messages/observations.js';
import type { RunEvent, Say } from '../messages/run-events.js';
import { type Canary, openCanary } from '../promotion/canary.js';
import { openPromotionGate, type PromotionGate } from '../promotion/promotion-gate.js';
import { trainingFingerprint } from '../prompt-files/prompt-fingerprint.js';
import type { MessageOperator } from '../stages/operator/load-operator.js';
import { openPromptSource } from '../stages/prompts/open-prompt-source.js';
import { PartialRounds } from '../stages/shared/partial-rounds.js';
import type { StageContext } from '../stages/shared/stage-context.js';
import { type OpenTransport, openTransport } from '../transport/open-transport.js';
import { BetweenRounds } from './after-round.js';
import { endOfRun } from './end-of-run.js';
import { type OpenRun, openRun } from './open-run.js';
import { behindOf, lagOf } from './opening/lag-of.js';
import { openGatewayPart, type ServeDesk } from './opening/open-gateway.js';
import { openOperators } from './opening/open-operators.js';
import { readModelFacts, requireFitsModel } from './read-model-facts.js';
import { requireReach } from './resume-checks.js';
import { runStages } from './run-stages.js';
import { type GuardWatch, watchGuards } from './watch-guards.js';

export interface RunOptions {
  /** Its config is what is run. */
  readonly runDirectory: RunDirectory;
  /** The parts of the run in this process, the trainer among them. Default: all. */
  readonly roles?: readonly string[];
  /** Aborting stops admission; the rounds in flight are finished and saved, then the stream completes. */
  readonly signal: AbortSignal;
  /** Serves people at the desk of the gateway, in the process that has its role. Default: nobody is served. */
  readonly serveDesk?: ServeDesk;
  /** Hears of this process besides. Default: nobody does. */
  readonly observe?: Observe | undefined;
}

/**
 * Runs the trainer of a topology, and the other parts in this process, from the start or a checkpoint to the end.
 *
 * Time: emits as things happen; completes after the last round (or those in flight when stopped) is saved; errs with a coded
 * error when a stage fails for good. The last checkpoint stays whole in every case. Unsubscribing cancels at the next safe
 * point. A guard may stop the run as the signal does, but then the run is over, and resuming it finds nothing to do.
 */
export function runTopology(options: RunOptions): Observable<RunEvent> {
  return new Stream<RunEvent>((subscriber) => {
    const canceling = new AbortController();
    const say = (event: RunEvent) => subscriber.next(event);
    run({ ...options, say, canceling }).then(
      () => subscriber.complete(),
      (error: unknown) => subscriber.error(error),
    );
    return () => canceling.abort();
  });
}

interface Running extends RunOptions {
  readonly say: Say;
  readonly canceling: AbortController;
}

async function run(options: Running): Promise<void> {
  const { runDirectory, say, canceling, observe } = options;
  const { config } = runDirectory;
  const roles = options.roles ?? rolesOf(config);
  await requireModules(config);
  const operators = await openOperators(config, roles);
  const model = await readModelFacts(config);
  requireFitsModel(config, model);
  say({ kind: 'started', description: describeTopology(config, model) });
  const { checkpoint, isResumed } = runDirectory;
  const startAt = checkpoint && readCheckpointFiles(checkpoint).state.positions;
  const warn = (message: string) => say({ kind: 'warning', message });
  const issuesPrompts = hasStage(config, roles, 'prompts');
  const assignsPrompts = issuesPrompts && hasIncomingPrompts(config);
  const open = await openTransport({
    config,
    trainer: { isResumed, startAt },
    assignsPrompts,
    warn,
    observe,
  });
  try {
    observe?.({ kind: 'connected', lag: lagOf(config, rolesOf(config), open.transport) });
    await requireReach(open.transport, config, checkpoint?.completeRounds ?? 0);
    const opened = await openRun({ config, runDirectory, say, signal: canceling.signal });
    observe?.({ kind: 'loaded' });
    try {
      await train({ ...options, config, operators, model, open, opened });
    } catch (error) {
      // Otherwise the error would wait for the rollout or the gradient steps in flight.
      canceling.abort();
      throw error;
    } finally {
      await opened.close();
    }
  } finally {
    await open.transport.close();
  }
}

interface Training extends Running {
  readonly config: ResolvedConfig;
  readonly operators: ReadonlyMap<string, MessageOperator>;
  readonly model: ModelFacts | undefined;
  readonly open: OpenTransport;
  readonly opened: OpenRun;
}

/** Connects the stages and waits until the last round that was begun is finished. */
async function train(training: Training): Promise<void> {
  const { config, runDirectory, model, open, opened, say } = training;
  const roles = training.roles ?? rolesOf(config);
  const { transport, positions } = open;
  const { trainer, sampler, rewards, completeRounds, prompts } = opened;
  const issuesPrompts = hasStage(config, roles, 'prompts');
  const logged = runDirectory.history.filter((line) => line.kind !== 'alarm');
  const guards = watchGuards(config.guards, opened.base, logged);
  const context = await contextOf(training, guards);
  const { control, trainPrompts, partialRounds } = context;
  const gate = await openGate(config, opened, context.canceling);
  const canary = await openComparison(config, opened);
  const between = new BetweenRounds({
    ...{ context, run: opened, runDirectory, model, guards, positions, gate, canary },
  });
  const end = endOfRun(context, { issuesPrompts });
  const readLists = async () => prompts;
  const prompting = issuesPrompts ? await openPromptSource({ config, transport, say, readLists }) : null;
  const { path: runPath } = runDirectory;
  const gateway = await openGatewayPart({
    ...{ config, roles, transport, runPath, finishedRounds: completeRounds, say },
    serve: training.serveDesk,
  });
  const stages$ = runStages(context, roles, {
    ...(prompting && {
      prompts: { source: prompting.source, onIssued: end.onIssued, onEnd: end.onAdmissionEnd },
    }),
    sampler,
    rewards,
    ...(gateway && { gateway }),
    operators: training.operators,
    trainer: {
      trainer,
      history: opened.history,
      schedulePlace: opened.schedulePlace,
      latentShapes: opened.latentShapes,
      noisySteps: model?.noisySteps,
      observe: (transport) => between.observe(transport),
      afterRound: (trained) => between.afterRound(trained),
      onClosed: end.onClosed,
      onTrained: end.onTrained,
    },
  });
  const publishProgress = (round: number, isOver: boolean) =>
    transport.publish('progress', {
      key: RUN_KEY,
      message: progressAt(config, round, {
        ...{ isOver, position: control.position(), trainPrompts, partialRounds: partialRounds?.list },
      }),
    });
  try {
    await transport.publish('policy', {
      key: RUN_KEY,
      message: {
        ...{ version: completeRounds, parameters: await trainer.parameters(undefined) },
        ...(canary && { served: canary.served() }),
      },
    });
    control.beginRound(completeRounds, opened.schedulePlace.position);
    await publishProgress(completeRounds, false);
    training.observe?.({ kind: 'joined', behind: behindOf(config, gateway, transport) });
    await lastValueFrom(end.until(stages$), { defaultValue: undefined });
  } finally {
    await gateway?.close();
    await prompting?.close();
  }
  const isOver = await between.finish(end.trainedRounds());
  if (isOver) await publishProgress(end.trainedRounds(), true);
}

async function contextOf(
  { config, open: { transport }, opened, say, observe, signal, canceling }: Training,
  guards: GuardWatch,
): Promise<StageContext> {
  const control = await openRunControl(transport);
  const told = findStage(config, 'gateway') && ((await transport.newest('progress'))?.partialRounds ?? []);
  const { completeRounds } = opened;
  return {
    trainPrompts: trainingFingerprint(opened.prompts).sha256,
    ...(told && { partialRounds: new PartialRounds(told.filter(({ round }) => round < completeRounds)) }),
    config,
    transport,
    control,
    firstRound: completeRounds,
    say,
    observe,
    stopping: AbortSignal.any([signal, guards.stopping]),
    canceling: canceling.signal,
    learningRateScale: () => guards.learningRateScale() * control.inForce().learningRateScale,
  };
}

function openComparison(
  config: ResolvedConfig,
  { trainer, completeRounds, savedCanary: saved }: OpenRun,
): Promise<Canary> | null {
  const settings = findStage(config, 'gateway')?.serve.canary;
  return settings ? openCanary({ settings, trainer, completeRounds, saved }) : null;
}

function openGate(
  config: ResolvedConfig,
  { sampler, score, trainer, prompts, bestProbeReward }: OpenRun,
  signal: AbortSignal,
): Promise<PromotionGate> | null {
  const { action, ...settings } = config.promotion;
  if (action === 'off') return null;
  const probed = prompts.heldOut.prompts.slice(0, settings.prompts);
  return openPromotionGate({
    settings,
    sampler,
    score,
    trainer,
    prompts: probed,
    maxMagnitude: rewardBound(config),
    signal,
    bestReward: bestProbeReward,
  });
}
