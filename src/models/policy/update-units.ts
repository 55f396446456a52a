/** @file The optimiser steps of one training stage: what each of them is trained on. */

import type { Pipeline } from '../diffusion/pipeline.js';
import type { Surrogate } from '../objectives/surrogate.js';
import { type CounterRandom, counterRandom } from '../random/counter-random.js';
import { denoisingUnits } from './denoising-rows.js';
import { type ReplayBuffer, sample, type Transition } from './replay-buffer.js';
import { pairUnits, preferencePairs, type StepPlan, transitionsOf, transitionUnits } from './step-rows.js';
import type { RowUnit } from './training-rows.js';
import type { TrainingSample } from './training-sample.js';
import type { ValueBaseline } from './value-baseline.js';

export type UpdateSettings =
  /** Every sample of the stage once an epoch, in updates of so many. */
  | {
      readonly from: 'stage';
      readonly innerEpochs: number;
      readonly samplesPerUpdate: number;
      /** What does not fill an update at the end of an epoch makes a smaller one, or is left out. */
      readonly remainder: 'train' | 'drop';
    }
  /** DPOK: random transitions of a buffer that outlives the stage. */
  | {
      readonly from: 'replay';
      /** Transitions that the buffer holds. */
      readonly capacity: number;
      readonly updatesPerStage: number;
      readonly transitionsPerUpdate: number;
    };

/** What the updates of a training stage are made from. */
export interface StageOfUpdates {
  readonly pipeline: Pipeline;
  readonly surrogate: Surrogate;
  readonly plan: StepPlan;
  readonly seed: number;
  readonly trainingStage: number;
  readonly samples: readonly TrainingSample[];
  readonly replay: ReplayBuffer;
  readonly baseline: ValueBaseline | null;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Yields the rows of every optimiser step. `stage`: for every inner epoch the samples (or the pairs of D3PO) are shuffled
 * and split into updates of samplesPerUpdate; the rest makes a smaller one, or is dropped: N samples make
 * ceil(N / samplesPerUpdate) or floor(N / samplesPerUpdate) updates an epoch. `replay`: each update draws its own
 * transitions.
 *
 * Deviation: the B²-DiffuRL release, which drops the rest, lets its gradients run over the border of an epoch first.
 */
export async function* updateUnits(
  stage: StageOfUpdates,
  settings: UpdateSettings,
): AsyncGenerator<RowUnit[]> {
  const random = (step: number) =>
    counterRandom({ seed: stage.seed, purpose: 'shuffle', group: stage.trainingStage, step });
  if (settings.from === 'replay') {
    // The buffer may hold steps of an earlier interval.
    const trainable = stage.replay.filter(({ step }) => stage.plan.trainedSteps.includes(step));
    for (let update = 0; update < settings.updatesPerStage; update++) {
      const drawn = sample(trainable, settings.transitionsPerUpdate, random(update));
      yield transitionUnits(drawn, await baselinesOf(stage, drawn), stage.plan);
    }
    return;
  }
  for (let epoch = 0; epoch < settings.innerEpochs; epoch++)
    yield* epochUnits(stage, settings, epoch, random(epoch));
}

async function* epochUnits(
  stage: StageOfUpdates,
  { samplesPerUpdate, remainder }: Extract<UpdateSettings, { from: 'stage' }>,
  epoch: number,
  random: CounterRandom,
): AsyncGenerator<RowUnit[]> {
  const { surrogate, samples, plan } = stage;
  const split = remainder === 'train' ? chunks : fullChunks;
  if (surrogate.trainsOn === 'pairs') {
    const pairs = random.shuffle(preferencePairs(samples));
    for (const chunk of split(pairs, Math.max(1, Math.floor(samplesPerUpdate / 2))))
      yield pairUnits(chunk, plan);
    return;
  }
  for (const [update, chunk] of [...split(random.shuffle(samples), samplesPerUpdate)].entries()) {
    if (surrogate.trainsOn === 'denoising') {
      yield denoisingUnits(stage.pipeline, surrogate, chunk, { ...stage, epoch, update });
    } else {
      const transitions = chunk.flatMap((one) => transitionsOf(one, plan.trainedSteps, stage.trainingStage));
      yield transitionUnits(transitions, await baselinesOf(stage, transitions), plan);
    }
  }
}

async function baselinesOf(
  { baseline, signal }: StageOfUpdates,
  transitions: readonly Transition[],
): Promise<Float32Array | null> {
  return baseline ? baseline.predict(transitions, signal) : null;
}

function* chunks<Item>(items: readonly Item[], size: number): Generator<Item[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}

function* fullChunks<Item>(items: readonly Item[], size: number): Generator<Item[]> {
  yield* chunks(items.slice(0, items.length - (items.length % size)), size);
}
