/** @file What happens between the gradient steps of one training stage and the start of the next: figures, evaluation, alarms, checkpoint. */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Observable } from 'rxjs';
import { TributaryError } from '../../errors.js';
import { mostGroups } from '../config/resolved/most-groups.js';
import { stageOf } from '../config/resolved/stage-of.js';
import { isBetter } from '../directory/best-policy.js';
import { checkpointFiles } from '../directory/checkpoint-files.js';
import type { RunDirectory } from '../directory/run-directory.js';
import type { WatchedFigures } from '../guards/guard-spec.js';
import { controlDifference } from '../messages/control-state.js';
import type { TopicMessages } from '../messages/messages.js';
import type { Alarm, Evaluation, Promotion, StageMetrics } from '../messages/run-events.js';
import type { PromotionGate } from '../promotion/promotion-gate.js';
import { fingerprintsOf } from '../prompt-files/prompt-fingerprint.js';
import type { AfterStage, TrainedStage } from '../stages/trainer/trainer-stage.js';
import type { StageContext } from '../stages/work/stage-context.js';
import type { Transport } from '../transport/contract/transport.js';
import type { Positions } from '../transport/kafka/kafka-transport.js';
import { finishRun } from './finish-run.js';
import type { OpenRun } from './open-run.js';
import { stageTally, type Tally } from './round-tally.js';
import type { GuardWatch } from './watch-guards.js';

export interface BetweenStages {
  /** Counts what was scored and what died as it passes; emits nothing. */
  observe(transport: Transport<TopicMessages>): Observable<never>;
  readonly afterStage: AfterStage;
  /**
   * Saves the last policy and, after a run that came to its end, says how it compares with the base model. Returns whether
   * the run came to its end.
   */
  finish(completeStages: number): Promise<boolean>;
}

const NS_PER_MS = 1e6;

export function betweenStages(
  context: StageContext,
  run: OpenRun,
  runDirectory: RunDirectory,
  guards: GuardWatch,
  positions: () => Positions | null,
  gate: PromotionGate | null,
): BetweenStages {
  const { config, say, stopping, control } = context;
  const { numStages } = stageOf(config, 'prompts');
  const tally = stageTally(mostGroups(config));
  const startedAt = performance.now();
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  let rewardQueries = run.rewardQueries;
  let newest: Evaluation = lastEvaluation(runDirectory) ?? run.base;
  let { history, best } = run;
  let savedStages = run.completeStages;
  let controlVersion = 0;
  let idleSince = startedAt;

  const metricsOf = (
    { closed, statistics, begunAt }: TrainedStage,
    tallied: Tally,
    promotion: Promotion | undefined,
  ): StageMetrics => {
    const { trainingStage, batch } = closed;
    const { numInferenceSteps } = stageOf(config, 'branchRollouts');
    const { images, trainedImages, verified, satisfied, score, deadLetters } = tallied;
    rewardQueries += images;
    const outsideRewards = Math.max(0, batch.statistics.rewards - trainedImages);
    const changed = controlDifference(control.inForce());
    const eventLoopDelayP99Ms = delay.percentile(99) / NS_PER_MS;
    delay.reset();
    return {
      trainingStage,
      firstStep: batch.interval?.firstStep ?? 0,
      numSteps: batch.interval?.numSteps ?? numInferenceSteps,
      trainedSteps: batch.interval?.trainedSteps ?? [],
      policyVersion: trainingStage + 1,
      rewardMean: batch.statistics.rewardMean,
      rewardStd: batch.statistics.rewardStd,
      verifiedAlignment: verified > 0 ? satisfied / verified : null,
      verifierScore: verified > 0 ? score / verified : null,
      selectedSamples: batch.samples.length,
      groups: batch.statistics.groups,
      lostGroups: batch.statistics.lostGroups,
      staleGroups: batch.statistics.staleGroups,
      lateGroups: batch.statistics.lateGroups,
      ages: batch.statistics.ages,
      deadLetters,
      zeroSpreadGroups: batch.statistics.zeroSpreadGroups,
      intraGroupCorrelation: batch.statistics.intraGroupCorrelation,
      ...statistics,
      learningRateScale: context.learningRateScale(),
      rewardQueries,
      ...(outsideRewards > 0 && { outsideRewards }),
      trainerIdleShare: (begunAt - idleSince) / (performance.now() - idleSince),
      elapsedSeconds: runDirectory.elapsedSeconds + (performance.now() - startedAt) / 1000,
      eventLoopDelayP99Ms,
      peakRssBytes: process.resourceUsage().maxRSS * 1024,
      ...(changed && { control: changed }),
      ...(promotion && { promotion }),
    };
  };

  const raise = async (alarm: Alarm) => {
    await runDirectory.recordAlarm(alarm);
    say({ kind: 'alarm', alarm });
  };
  const raiseAlarms = async (figures: WatchedFigures) => {
    for (const alarm of guards.watch(figures)) await raise(alarm);
  };

  const measure = async (trained: TrainedStage) => {
    const { trainingStage, groupIds, batch } = trained.closed;
    const tallied = tally.take(trainingStage, groupIds);
    const judged = await gate?.judge(trainingStage + 1, batch.interval?.trainedSteps ?? []);
    // The scale is read before this stage's own alarms can change it.
    const metrics = metricsOf(trained, tallied, judged?.promotion);
    await runDirectory.recordStage(metrics);
    say({ kind: 'stage', metrics });
    if (judged?.alarm) await raise(judged.alarm);
    // A stage without rewards is never closed by time, so none of its groups is late.
    // Prompts that no model can read, and wrong rewards that others write, may come in any number, and say nothing of the
    // reward model. Those rewards are still in their topic at the next start, so that the run could never go on.
    const { lostGroups, deadLetters } = metrics;
    if (metrics.groups === 0 && deadLetters >= lostGroups && tallied.deadElsewhere < lostGroups)
      throw allDead(metrics);
    await raiseAlarms({ kind: 'stage', ...metrics });
  };

  const evaluate = async (completeStages: number) => {
    const parameters = await run.trainer.parameters(undefined);
    newest = await run.evaluate({ version: completeStages, parameters });
    await runDirectory.recordEvaluation(newest);
    say({ kind: 'evaluation', evaluation: newest });
    if (isBetter(newest, best)) {
      best = newest;
      const { adapter } = await run.trainer.save(undefined);
      await runDirectory.saveBest({ evaluation: best, adapter });
    }
    await raiseAlarms({ kind: 'evaluation', ...newest });
  };

  const save = async (completeStages: number) => {
    const bestProbeReward = gate?.bestReward() ?? null;
    const state = {
      history,
      rewardQueries,
      base: run.base,
      computation: run.computation,
      positions: positions(),
      promptFingerprints: fingerprintsOf(run.prompts),
      ...(controlVersion > 0 && { controlVersion }),
      ...(bestProbeReward !== null && { bestProbeReward }),
    };
    const files = checkpointFiles(await run.trainer.save(undefined), state);
    say({ kind: 'checkpoint', path: await runDirectory.saveCheckpoint(completeStages, files) });
    savedStages = completeStages;
  };

  return {
    observe: (transport) => tally.observe(transport),
    async afterStage(trained) {
      const completeStages = trained.closed.trainingStage + 1;
      history = trained.closed.state;
      const { trainingStage, groupIds } = trained.closed;
      await tally.settled(trainingStage, groupIds);
      controlVersion = control.inForce().version;
      await measure(trained);
      const isLast = completeStages === numStages;
      if (isLast || completeStages % config.evaluation.everyStages === 0) await evaluate(completeStages);
      if (isLast || stopping.aborted || completeStages % config.checkpoints.everyStages === 0)
        await save(completeStages);
      idleSince = performance.now();
    },
    async finish(completeStages) {
      delay.disable();
      // The request to stop may have come just after the last training stage was found to need no checkpoint.
      if (savedStages < completeStages) await save(completeStages);
      const stoppedBy = guards.stoppedBy();
      const isWhole = completeStages === numStages || stoppedBy !== null;
      await finishRun({ run, runDirectory, newest, best, stoppedBy, isWhole, say });
      return isWhole;
    },
  };
}

/** A run that scores nothing any more would go on to its end without learning. */
function allDead({ trainingStage, lostGroups }: StageMetrics): TributaryError {
  return new TributaryError(
    'TRIB_REWARD',
    `training stage ${trainingStage}: expected a group with rewards, got none of ${lostGroups}. Read the warnings above; check the reward model, or resume from the last checkpoint with a smaller learningRate.`,
  );
}

function lastEvaluation({ history }: RunDirectory): Evaluation | undefined {
  const line = history.findLast(({ kind }) => kind === 'evaluation');
  return line?.kind === 'evaluation' ? line : undefined;
}
