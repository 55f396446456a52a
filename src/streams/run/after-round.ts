/** @file What happens between the gradient steps of one round and the start of the next: figures, evaluation, alarms, checkpoint. */

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
import type { Alarm, Evaluation, Promotion, RoundMetrics } from '../messages/run-events.js';
import type { PromotionGate } from '../promotion/promotion-gate.js';
import { fingerprintsOf } from '../prompt-files/prompt-fingerprint.js';
import type { StageContext } from '../stages/shared/stage-context.js';
import type { AfterRound, TrainedRound } from '../stages/trainer/trainer-stage.js';
import type { Transport } from '../transport/contract/transport.js';
import type { Positions } from '../transport/kafka/kafka-transport.js';
import { finishRun } from './finish-run.js';
import type { OpenRun } from './open-run.js';
import { roundTally, type Tally } from './round-tally.js';
import type { GuardWatch } from './watch-guards.js';

export interface BetweenRounds {
  /** Counts what was scored and what died as it passes; emits nothing. */
  observe(transport: Transport<TopicMessages>): Observable<never>;
  readonly afterRound: AfterRound;
  /**
   * Saves the last policy and, after a run that came to its end, says how it compares with the base model. Returns whether
   * the run came to its end.
   */
  finish(completeRounds: number): Promise<boolean>;
}

const NS_PER_MS = 1e6;

export function betweenRounds(
  context: StageContext,
  run: OpenRun,
  runDirectory: RunDirectory,
  guards: GuardWatch,
  positions: () => Positions | null,
  gate: PromotionGate | null,
): BetweenRounds {
  const { config, say, stopping, control } = context;
  const { numRounds } = stageOf(config, 'prompts');
  const tally = roundTally(mostGroups(config));
  const startedAt = performance.now();
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  let rewardQueries = run.rewardQueries;
  let newest: Evaluation = lastEvaluation(runDirectory) ?? run.base;
  let { history, best } = run;
  let savedRounds = run.completeRounds;
  let controlVersion = 0;
  let idleSince = startedAt;

  const metricsOf = (
    { closed, statistics, begunAt }: TrainedRound,
    tallied: Tally,
    promotion: Promotion | undefined,
  ): RoundMetrics => {
    const { round, batch } = closed;
    const { numInferenceSteps } = stageOf(config, 'sampler');
    const { images, trainedImages, verified, satisfied, score, deadLetters } = tallied;
    rewardQueries += images;
    const outsideRewards = Math.max(0, batch.statistics.rewards - trainedImages);
    const changed = controlDifference(control.inForce());
    const eventLoopDelayP99Ms = delay.percentile(99) / NS_PER_MS;
    delay.reset();
    return {
      round,
      firstStep: batch.interval?.firstStep ?? 0,
      numSteps: batch.interval?.numSteps ?? numInferenceSteps,
      trainedSteps: batch.interval?.trainedSteps ?? [],
      policyVersion: round + 1,
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

  const measure = async (trained: TrainedRound) => {
    const { round, groupIds, batch } = trained.closed;
    const tallied = tally.take(round, groupIds);
    const judged = await gate?.judge(round + 1, batch.interval?.trainedSteps ?? []);
    // The scale is read before this round's own alarms can change it.
    const metrics = metricsOf(trained, tallied, judged?.promotion);
    await runDirectory.recordRound(metrics);
    say({ kind: 'round', metrics });
    if (judged?.alarm) await raise(judged.alarm);
    // A round without rewards is never closed by time, so none of its groups is late.
    // Prompts that no model can read, and wrong rewards that others write, may come in any number, and say nothing of the
    // reward model. Those rewards are still in their topic at the next start, so that the run could never go on.
    const { lostGroups, deadLetters } = metrics;
    if (metrics.groups === 0 && deadLetters >= lostGroups && tallied.deadElsewhere < lostGroups)
      throw allDead(metrics);
    await raiseAlarms({ kind: 'round', ...metrics });
  };

  const evaluate = async (completeRounds: number) => {
    const parameters = await run.trainer.parameters(undefined);
    newest = await run.evaluate({ version: completeRounds, parameters });
    await runDirectory.recordEvaluation(newest);
    say({ kind: 'evaluation', evaluation: newest });
    if (isBetter(newest, best)) {
      best = newest;
      const { adapter } = await run.trainer.save(undefined);
      await runDirectory.saveBest({ evaluation: best, adapter });
    }
    await raiseAlarms({ kind: 'evaluation', ...newest });
  };

  const save = async (completeRounds: number) => {
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
    say({ kind: 'checkpoint', path: await runDirectory.saveCheckpoint(completeRounds, files) });
    savedRounds = completeRounds;
  };

  return {
    observe: (transport) => tally.observe(transport),
    async afterRound(trained) {
      const completeRounds = trained.closed.round + 1;
      history = trained.closed.state;
      const { round, groupIds } = trained.closed;
      await tally.settled(round, groupIds);
      controlVersion = control.inForce().version;
      await measure(trained);
      const isLast = completeRounds === numRounds;
      if (isLast || completeRounds % config.evaluation.everyRounds === 0) await evaluate(completeRounds);
      if (isLast || stopping.aborted || completeRounds % config.checkpoints.everyRounds === 0)
        await save(completeRounds);
      idleSince = performance.now();
    },
    async finish(completeRounds) {
      delay.disable();
      // The request to stop may have come just after the last round was found to need no checkpoint.
      if (savedRounds < completeRounds) await save(completeRounds);
      const stoppedBy = guards.stoppedBy();
      const isWhole = completeRounds === numRounds || stoppedBy !== null;
      await finishRun({ run, runDirectory, newest, best, stoppedBy, isWhole, say });
      return isWhole;
    },
  };
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
