/** @file The figures of a round: what was trained, what was counted of it, and what the process did meanwhile. */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { treeWidths } from '../../models/rollouts/fork-plans.js';
import { type ModelFacts, passesOf } from '../config/resolved/model-facts.js';
import { stageOf } from '../config/resolved/stage-of.js';
import { controlDifference } from '../messages/control-state.js';
import type { CanaryFigures, Promotion, RoundMetrics } from '../messages/run-events.js';
import type { StageContext } from '../stages/shared/stage-context.js';
import type { TrainedRound } from '../stages/trainer/trainer-stage.js';
import type { Tally } from './round-tally.js';

const NS_PER_MS = 1e6;

interface FinishedRound {
  readonly model: ModelFacts | undefined;
  readonly trained: TrainedRound;
  readonly tally: Tally;
  /** Absent without a gate. */
  readonly promotion: Promotion | undefined;
  /** Absent where no policies are compared. */
  readonly canary: CanaryFigures | undefined;
}

type ProcessFigures = Pick<
  RoundMetrics,
  'trainerIdleShare' | 'elapsedSeconds' | 'eventLoopDelayP99Ms' | 'peakRssBytes'
>;

/** Measures the trainer's process from round to round. It begins at once. */
export class ProcessWatch {
  readonly #startedAt = performance.now();
  readonly #delay = monitorEventLoopDelay({ resolution: 5 });
  #idleSince = this.#startedAt;

  /** @param secondsBefore work on the run before this process. */
  constructor(private readonly secondsBefore: number) {
    this.#delay.enable();
  }

  /** The figures since the round before. `begunAt` is when the gradient steps began. */
  take(begunAt: number): ProcessFigures {
    const now = performance.now();
    const eventLoopDelayP99Ms = this.#delay.percentile(99) / NS_PER_MS;
    this.#delay.reset();
    return {
      trainerIdleShare: (begunAt - this.#idleSince) / (now - this.#idleSince),
      elapsedSeconds: this.secondsBefore + (now - this.#startedAt) / 1000,
      eventLoopDelayP99Ms,
      peakRssBytes: process.resourceUsage().maxRSS * 1024,
    };
  }

  /** The trainer waits for groups from now on. */
  beginIdle(): void {
    this.#idleSince = performance.now();
  }

  stop(): void {
    this.#delay.disable();
  }
}

/** Puts the figures of a round together. `rewardQueries` counts the images that were scored up to its end. */
export function roundMetrics(
  { config, control, learningRateScale }: StageContext,
  { model = {}, trained, tally, promotion, canary }: FinishedRound,
  rewardQueries: number,
  processFigures: ProcessFigures,
): RoundMetrics {
  const { round, batch } = trained.closed;
  const sampler = stageOf(config, 'sampler');
  const { numInferenceSteps, guidanceScale } = sampler;
  const { firstStep, numSteps, trainedSteps } = batch.interval ?? {
    firstStep: 0,
    numSteps: numInferenceSteps,
    trainedSteps: [],
  };
  const { rewards, groups, lostGroups, staleGroups, lateGroups, ages, ...statistics } = batch.statistics;
  const { droppedGroups, rewardParts } = statistics;
  const { verified, satisfied, score, trainedImages, deadLetters, feedback } = tally;
  const { trainedRows, ...figures } = trained.statistics;
  const passes = passesOf(guidanceScale, model);
  const rowsOfGroup = treeWidths(sampler, trainedSteps, numSteps)
    .slice(0, -1)
    .reduce((sum, width) => sum + width, 0);
  const outsideRewards = Math.max(0, rewards - trainedImages);
  const changed = controlDifference(control.inForce());
  return {
    round,
    firstStep,
    numSteps,
    trainedSteps,
    policyVersion: round + 1,
    rewardMean: statistics.rewardMean,
    rewardStd: statistics.rewardStd,
    verifiedAlignment: verified > 0 ? satisfied / verified : null,
    verifierScore: verified > 0 ? score / verified : null,
    selectedSamples: batch.samples.length,
    groups,
    lostGroups,
    staleGroups,
    lateGroups,
    ...(droppedGroups !== undefined && { droppedGroups }),
    ...(rewardParts && { rewardParts }),
    ages,
    deadLetters,
    zeroSpreadGroups: statistics.zeroSpreadGroups,
    intraGroupCorrelation: statistics.intraGroupCorrelation,
    ...figures,
    learningRateScale: learningRateScale(),
    rewardQueries,
    networkRows: { sampling: passes * groups * rowsOfGroup, training: passes * trainedRows },
    ...(outsideRewards > 0 && { outsideRewards }),
    ...(feedback && { feedback }),
    ...processFigures,
    ...(changed && { control: changed }),
    ...(promotion && { promotion }),
    ...(canary && { canary }),
  };
}
