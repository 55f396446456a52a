/** @file The rows that each optimizer step of a round is trained on. */

import { comparesPairs, type Surrogate } from '../objectives/surrogate.js';
import type { Pipeline } from '../pipeline/pipeline.js';
import { counterRandom } from '../random/counter-random.js';
import { denoisingPairUnits, denoisingUnits } from './denoising-rows.js';
import { type ReplayBuffer, sample, type Transition } from './replay-buffer.js';
import { splitUpdates } from './split-updates.js';
import { pairUnits, preferencePairs, type StepPlan, transitionsOf, transitionUnits } from './step-rows.js';
import type { UpdateSettings } from './trainer-settings.js';
import type { RowUnit, TrainingSample } from './training-rows.js';
import type { ValueBaseline } from './value-baseline.js';

/** What the updates of a round are made of. */
export interface RoundOfUpdates {
  readonly pipeline: Pipeline;
  readonly surrogate: Surrogate;
  readonly plan: StepPlan;
  readonly seed: number;
  readonly round: number;
  readonly samples: readonly TrainingSample[];
  readonly replay: ReplayBuffer;
  readonly baseline: ValueBaseline | null;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Yields the rows of every optimizer step; the loss of a step is a mean over its rows. `round`: for every inner epoch the
 * samples (or the pairs of a surrogate that compares them) are shuffled, and split into updates of samplesPerUpdate: see `splitUpdates`. `replay`:
 * each update draws its own transitions, in drawsPerUpdate draws. No draw holds a transition twice; an update of several
 * may, as two draws may both have it.
 *
 * Source of the draws: DPOK, google-research/google-research dpok/train_online_pg.py at 1d49f2c, `_train_policy_func`,
 * which draws every micro-batch for itself: `gradient_accumulation_steps` draws of `p_batch_size` make an update.
 */
export async function* updateUnits(
  round: RoundOfUpdates,
  settings: UpdateSettings,
): AsyncGenerator<RowUnit[]> {
  const baselinesOf = async (transitions: readonly Transition[]) =>
    (await round.baseline?.predict(transitions, round.signal)) ?? null;
  const random = (step: number) =>
    counterRandom({ seed: round.seed, purpose: 'shuffle', group: round.round, step });
  if (settings.from === 'replay') {
    // The buffer may hold steps of an earlier interval.
    const trainable = round.replay.filter(({ step }) => round.plan.trainedSteps.includes(step));
    const { updatesPerRound, transitionsPerUpdate, drawsPerUpdate } = settings;
    for (let update = 0; update < updatesPerRound; update++) {
      const drawn = Array.from({ length: drawsPerUpdate }, (_, draw) =>
        sample(trainable, transitionsPerUpdate / drawsPerUpdate, random(update * drawsPerUpdate + draw)),
      ).flat();
      yield transitionUnits(drawn, await baselinesOf(drawn), round.plan);
    }
    return;
  }
  const { surrogate, samples, plan } = round;
  if (comparesPairs(surrogate)) {
    const pairsPerUpdate = Math.max(1, Math.floor(settings.samplesPerUpdate / 2));
    const pairs = preferencePairs(samples);
    for (const { items, ...place } of splitUpdates(pairs, pairsPerUpdate, settings, random))
      yield surrogate.trainsOn === 'denoising'
        ? denoisingPairUnits(round.pipeline, surrogate, items, { ...round, ...place })
        : pairUnits(items, plan);
    return;
  }
  for (const { items, ...place } of splitUpdates(samples, settings.samplesPerUpdate, settings, random)) {
    if (surrogate.trainsOn === 'denoising') {
      yield denoisingUnits(round.pipeline, surrogate, items, { ...round, ...place });
    } else {
      const transitions = items.flatMap((one) => transitionsOf(one, plan.trainedSteps, round.round));
      yield transitionUnits(transitions, await baselinesOf(transitions), plan);
    }
  }
}
