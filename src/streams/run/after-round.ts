/** @file What happens between the gradient steps of a round and the start of the next: figures, evaluation, alarms, checkpoint. */

import type { Observable } from 'rxjs';
import { TributaryError } from '../../errors.js';
import type { AdvantageHistory, SchedulePlace } from '../../operators/index.js';
import { kindOfTopic } from '../config/graph/topology-graph.js';
import { mostGroups } from '../config/resolved/derived-sizes.js';
import { isEvaluatedAfter } from '../config/resolved/evaluated-after.js';
import type { ModelFacts } from '../config/resolved/model-facts.js';
import { rewardParts, scoringStages } from '../config/resolved/reward-parts.js';
import { stageOf } from '../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import { isBetter } from '../directory/best-policy.js';
import { checkpointFiles } from '../directory/checkpoint-files.js';
import type { RunDirectory } from '../directory/run-directory.js';
import type { WatchedFigures } from '../guards/guard-spec.js';
import type { ServedPolicies, TopicMessages } from '../messages/messages.js';
import type { Alarm, Evaluation, RoundMetrics } from '../messages/run-events.js';
import type { Canary } from '../promotion/canary.js';
import type { PromotionGate } from '../promotion/promotion-gate.js';
import { fingerprintsOf } from '../prompt-files/prompt-fingerprint.js';
import type { StageContext } from '../stages/shared/stage-context.js';
import type { TrainedRound } from '../stages/trainer/trainer-stage.js';
import type { Transport } from '../transport/contract/transport.js';
import type { Positions } from '../transport/kafka/kafka-transport.js';
import { finishRun } from './finish-run.js';
import { lostAtOperators } from './lost-at-operators.js';
import type { OpenRun } from './open-run.js';
import { ProcessWatch, roundMetrics } from './round-metrics.js';
import { roundTally, type Tally } from './round-tally.js';
import { drawGrid } from './sample-grid.js';
import type { GuardWatch } from './watch-guards.js';

interface BetweenRoundsOptions {
  readonly context: StageContext;
  readonly run: OpenRun;
  readonly runDirectory: RunDirectory;
  readonly model: ModelFacts | undefined;
  readonly guards: GuardWatch;
  /** Where the reading of the topics stands. */
  readonly positions: () => Positions | null;
  readonly gate: PromotionGate | null;
  readonly canary: Canary | null;
}

/** Follows a run from round to round, and keeps what its checkpoints hold. */
export class BetweenRounds {
  readonly #tally;
  readonly #watch;
  readonly #numRounds;
  #rewardQueries;
  #newest: Evaluation;
  #best: Evaluation;
  #history: AdvantageHistory;
  #schedulePlace: SchedulePlace;
  #savedRounds;
  #controlVersion = 0;

  constructor(private readonly options: BetweenRoundsOptions) {
    const { context, run, runDirectory } = options;
    this.#tally = roundTally(mostGroups(context.config), kindOfTopic(context.config));
    this.#watch = new ProcessWatch(runDirectory.elapsedSeconds);
    this.#numRounds = stageOf(context.config, 'prompts').numRounds;
    this.#rewardQueries = run.rewardQueries;
    this.#newest = lastEvaluation(runDirectory) ?? run.base;
    this.#best = run.best;
    this.#history = run.history;
    this.#schedulePlace = run.schedulePlace;
    this.#savedRounds = run.completeRounds;
  }

  /** Counts what was scored and what died as it passes; emits nothing. */
  observe(transport: Transport<TopicMessages>): Observable<never> {
    return this.#tally.observe(transport);
  }

  /** Returns what people are given from now on, where policies are compared. */
  async afterRound(trained: TrainedRound): Promise<ServedPolicies | undefined> {
    const { config, control, stopping } = this.options.context;
    const { round, groupIds, state } = trained.closed;
    const completeRounds = round + 1;
    const isLast = completeRounds === this.#numRounds;
    this.#history = state;
    this.#schedulePlace = trained.next;
    await this.#tally.settled(round, groupIds, expectedScores(config, trained.closed));
    this.#controlVersion = control.inForce().version;
    const tally = this.#tally.take(round, groupIds);
    const metrics = await this.#measure(trained, tally);
    const lost = lostAtOperators(trained.closed);
    if (lost) {
      // Its losses are in the topics, so that a resume has to begin behind it.
      await this.#save(completeRounds);
      throw lost;
    }
    // A round without rewards is never closed by time, so none of its groups is late.
    // Prompts that no model can read, and wrong rewards that others write, may come in any number, and say nothing of the
    // reward model. Those rewards are still in their topic at the next start, so that the run could never go on.
    const { groups, lostGroups, deadLetters } = metrics;
    if (groups === 0 && deadLetters >= lostGroups && tally.deadElsewhere < lostGroups) throw allDead(metrics);
    await this.#raiseAlarms({ kind: 'round', ...metrics });
    await this.#paintTrees(trained);
    if (isEvaluatedAfter(config, completeRounds)) await this.#evaluate(completeRounds);
    if (isLast || stopping.aborted || completeRounds % config.checkpoints.everyRounds === 0)
      await this.#save(completeRounds);
    this.#watch.beginIdle();
    return this.options.canary?.served();
  }

  /**
   * Saves the last policy and, after a run that came to its end, says how it compares with the base model. Returns whether
   * the run came to its end.
   */
  async finish(completeRounds: number): Promise<boolean> {
    const { context, run, runDirectory, guards } = this.options;
    this.#watch.stop();
    // The request to stop may have come just after the last round was found to need no checkpoint.
    if (this.#savedRounds < completeRounds) await this.#save(completeRounds);
    const stoppedBy = guards.stoppedBy();
    const isWhole = completeRounds === this.#numRounds || stoppedBy !== null;
    const [newest, best] = [this.#newest, this.#best];
    await finishRun({ run, runDirectory, newest, best, stoppedBy, isWhole, say: context.say });
    return isWhole;
  }

  async #measure(trained: TrainedRound, tally: Tally): Promise<RoundMetrics> {
    const { context, runDirectory, gate, canary } = this.options;
    const { round, batch } = trained.closed;
    this.#rewardQueries += tally.images;
    const judged = await gate?.judge(round + 1, batch.interval?.trainedSteps ?? []);
    const compared = await canary?.afterRound(round + 1, tally.choices);
    // The scale is read before this round's own alarms can change it.
    const metrics = roundMetrics(
      context,
      { model: this.options.model, trained, tally, promotion: judged?.promotion, canary: compared?.figures },
      this.#rewardQueries,
      this.#watch.take(trained.begunAt),
    );
    await runDirectory.recordRound(metrics);
    context.say({ kind: 'round', metrics });
    for (const alarm of [judged?.alarm, compared?.alarm]) if (alarm) await this.#raise(alarm);
    return metrics;
  }

  /** Saves what the report shows of the trees of a round, where some were picked. */
  async #paintTrees({ closed: { round, batch, pickedTrees } }: TrainedRound): Promise<void> {
    if (pickedTrees.length === 0 || batch.interval === null) return;
    const { context, run, runDirectory } = this.options;
    const { trainedSteps } = batch.interval;
    const { png, ...painted } = await run.sampler.paintTrees(
      { trees: pickedTrees, trainedSteps },
      context.canceling,
    );
    await runDirectory.saveTrees({ round, trainedSteps, ...painted }, png);
  }

  async #evaluate(completeRounds: number): Promise<void> {
    const { context, run, runDirectory } = this.options;
    const { adapter, parameters } = await run.trainer.shipped(undefined);
    const policy = { version: completeRounds, parameters };
    const evaluation = await run.evaluate(policy);
    this.#newest = evaluation;
    await runDirectory.recordEvaluation(evaluation);
    if (context.config.evaluation.pictures === 'always')
      await runDirectory.saveSamples(
        completeRounds,
        await drawGrid(run.sampler, policy, run.prompts, context.canceling),
      );
    context.say({ kind: 'evaluation', evaluation });
    if (isBetter(evaluation, this.#best)) {
      this.#best = evaluation;
      await runDirectory.saveBest({ evaluation, adapter });
    }
    await this.#raiseAlarms({ kind: 'evaluation', ...evaluation });
  }

  async #save(completeRounds: number): Promise<void> {
    const { context, run, runDirectory, positions, gate } = this.options;
    const canary = this.options.canary?.saved();
    const bestProbeReward = gate?.bestReward() ?? null;
    const movesByEvidence = stageOf(context.config, 'schedule').mode === 'correlation';
    const state = {
      history: this.#history,
      ...(movesByEvidence && { schedulePlace: this.#schedulePlace }),
      rewardQueries: this.#rewardQueries,
      base: run.base,
      computation: run.computation,
      positions: positions(),
      promptFingerprints: fingerprintsOf(run.prompts),
      ...(this.#controlVersion > 0 && { controlVersion: this.#controlVersion }),
      ...(bestProbeReward !== null && { bestProbeReward }),
      ...(canary && { canary: canary.state }),
    };
    const { extras, ...policy } = await run.trainer.save(undefined);
    const files = checkpointFiles({ ...policy, extras: { ...extras, ...canary?.files } }, state);
    context.say({ kind: 'checkpoint', path: await runDirectory.saveCheckpoint(completeRounds, files) });
    this.#savedRounds = completeRounds;
  }

  async #raiseAlarms(figures: WatchedFigures): Promise<void> {
    for (const alarm of this.options.guards.watch(figures)) await this.#raise(alarm);
  }

  async #raise(alarm: Alarm): Promise<void> {
    await this.options.runDirectory.recordAlarm(alarm);
    this.options.context.say({ kind: 'alarm', alarm });
  }
}

/** How many groups each reward stage has scored, where rewards are combined. */
function expectedScores(config: ResolvedConfig, { groupIds, batch }: TrainedRound['closed']) {
  const isOneAlone = scoringStages(config).length === 1;
  const parts = rewardParts(config).filter(({ stage }) => stage !== null);
  if (parts.length === 0) return [{ stage: undefined, groups: groupIds.length }];
  return parts.map(({ name, stage }) => ({
    stage: isOneAlone || stage === null ? undefined : stage,
    groups: batch.statistics.rewardParts?.[name]?.groups ?? 0,
  }));
}

/** A run that scores nothing any more would go on to its end without learning. */
function allDead({ round, lostGroups }: RoundMetrics): TributaryError {
  return new TributaryError(
    'TRIB_REWARD',
    `round ${round}: expected a group with rewards, got none of ${lostGroups}. Read the warnings above; check the reward model, or resume from the last checkpoint with a smaller learningRate.`,
  );
}

function lastEvaluation({ history }: RunDirectory): Evaluation | undefined {
  const line = history.findLast(({ kind }) => kind === 'evaluation');
  return line?.kind === 'evaluation' ? line : undefined;
}
