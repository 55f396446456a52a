import type { NamedArrays } from '../../models/optimizers/adamw.js';
import type { Client } from '../../models/threads/thread.js';
import { momentsOf } from '../../operators/advantages/moments.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import type { Alarm, Promotion } from '../messages/run-events.js';
import type { TrainerService } from '../stages/trainer/trainer-thread.js';
import { type Probe, type ProbeOptions, probePolicy } from './probe-policy.js';

interface PromotionGateOptions extends ProbeOptions {
  readonly settings: Omit<ResolvedConfig['promotion'], 'action'>;
  readonly trainer: Client<TrainerService>;
  /** Mean reward of the best policy that was promoted before a resume. */
  readonly bestReward?: number | undefined;
}

interface Judgement {
  readonly promotion: Promotion;
  /** Why the policy failed; null if it is promoted. */
  readonly alarm: Alarm | null;
}

export interface PromotionGate {
  /** Judges the trainer's policy after so many rounds. One that fails is rolled back when this resolves. */
  judge(completeRounds: number, trainedSteps: readonly number[]): Promise<Judgement>;
  /** Mean reward of the best policy that was promoted; null before there was one. */
  bestReward(): number | null;
}

/**
 * Opens the gate between trainer and samplers. What the trainer holds now counts as promoted. A later policy is promoted if
 *
 * - mean |log π(trainer) - log π(sampler)| over the trained steps of the probe is at most `maxLogProbDifference`, provided
 *   the surrogate has log-probs;
 * - (best mean reward of a promoted policy - mean reward) / (standard deviation of the base model's rewards) is at most
 *   `maxRewardFall`, provided the base model's rewards differ;
 * - its pictures differ from those of the base model, unless its weights do not: an adapter that binds to nothing trains for
 *   ever and changes nothing.
 *
 * A figure that is not finite fails.
 *
 * Time: each judgment samples, scores and reads the probe once, and that of the base model where the trained steps are
 * others than the time before.
 */
export async function openPromotionGate(options: PromotionGateOptions): Promise<PromotionGate> {
  const { settings, trainer, signal } = options;
  const { baseParameters } = options.sampler;
  await trainer.promote(undefined);
  const baseProbe = baseProbeOf(options);
  let best = options.bestReward ?? null;
  return {
    bestReward: () => best,
    async judge(completeRounds, trainedSteps) {
      const parameters = await trainer.parameters(undefined);
      const base = await baseProbe(trainedSteps);
      // A candidate has no version yet: the one of that number may still become another policy.
      const policy = { version: -completeRounds, parameters };
      const probe = await probePolicy(options, { policy, trainedSteps, isReference: false });
      const logRatios = await trainer.logRatios({ samples: probe.samples, trainedSteps }, { signal });
      const baseRewards = momentsOf(base.rewards.filter(Number.isFinite));
      const reference = best ?? baseRewards.mean;
      const rewardMean = momentsOf(probe.rewards).mean;
      const logProbDifference = logRatios && momentsOf(Array.from(logRatios, Math.abs)).mean;
      const failure =
        failedLimit(LOG_PROBS, logProbDifference, settings.maxLogProbDifference) ??
        failedLimit(
          REWARD,
          fallOf(reference, rewardMean, baseRewards.populationStd),
          settings.maxRewardFall,
        ) ??
        (probe.outputChange === 0 && !isEqual(parameters, baseParameters) ? CHANGES_NOTHING : null);
      if (failure) await trainer.rollBack(undefined);
      else {
        await trainer.promote(undefined);
        best = Math.max(reference, rewardMean);
      }
      const promotion: Promotion = {
        isPromoted: failure === null,
        outputChange: finiteOrNull(probe.outputChange),
        logProbDifference: finiteOrNull(logProbDifference),
        rewardMean: finiteOrNull(rewardMean),
      };
      return { promotion, alarm: failure && alarmOf(failure, completeRounds) };
    },
  };
}

/** If only the trained steps add noise, the pictures of a probe change with them. */
function baseProbeOf(options: ProbeOptions) {
  const policy = { version: 0, parameters: options.sampler.baseParameters };
  let last: { readonly steps: string; readonly probe: Probe } | null = null;
  return async (trainedSteps: readonly number[]): Promise<Probe> => {
    const steps = trainedSteps.join();
    if (last?.steps !== steps)
      last = { steps, probe: await probePolicy(options, { policy, trainedSteps, isReference: true }) };
    return last.probe;
  };
}

/** In standard deviations. If that is 0 there is no unit, and only a mean that is not finite fails. */
function fallOf(reference: number, mean: number, std: number): number | null {
  if (!Number.isFinite(mean)) return Number.NaN;
  return std > 0 ? (reference - mean) / std : null;
}

const finiteOrNull = (value: number | null) => (value !== null && Number.isFinite(value) ? value : null);

interface Failure {
  readonly expected: string;
  readonly nextStep: string;
  readonly value: number;
  readonly threshold: number;
}

const LOG_PROBS = {
  expected: 'for the mean difference between the log-probs of trainer and sampler',
  nextStep: 'Compare the providers and precisions of the two (`tributary doctor`)',
};
const REWARD = {
  expected: "standard deviations of the base model's rewards below the best promoted policy",
  nextStep: 'Lower learningRate, or look at the reward model',
};
const CHANGES_NOTHING: Failure = {
  expected: 'for the share of pictures that the adapter leaves as they are to the last bit',
  nextStep: 'Check model.lora.pattern and the precision of the sampler',
  value: 1,
  threshold: 0,
};

/** A value that is not finite fails; null passes. */
function failedLimit(
  limit: Pick<Failure, 'expected' | 'nextStep'>,
  value: number | null,
  threshold: number,
): Failure | null {
  return value === null || value <= threshold ? null : { ...limit, value, threshold };
}

function alarmOf({ expected, nextStep, value, threshold }: Failure, round: number): Alarm {
  return {
    guard: 'promotion',
    action: 'roll-back',
    value: finiteOrNull(value),
    threshold,
    round,
    message: `promotion after ${round === 1 ? '1 round' : `${round} rounds`}: expected at most ${threshold} ${expected}, got ${Number(value.toPrecision(3))}. ${nextStep}. The samplers keep the previous policy.`,
  };
}

function isEqual(a: NamedArrays, b: NamedArrays): boolean {
  return Object.entries(a).every(([name, values]) => values.every((value, i) => value === b[name]?.[i]));
}
