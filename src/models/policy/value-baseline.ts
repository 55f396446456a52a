/** @file A learned baseline: the reward to expect of a transition, which is subtracted from its advantage. */

import { at, named } from '../../at.js';
import { TributaryError } from '../../errors.js';
import type { Engine, Tensors } from '../engines/contract/engine.js';
import { encodeGraph } from '../graph/onnx/encode.js';
import { adamWStep, initialAdamWState, type NamedArrays } from '../optimizers/adamw.js';
import { counterRandom } from '../random/counter-random.js';
import { float32, float32Data, int64 } from '../tensor.js';
import { type ReplayBuffer, sample, type Transition } from './replay-buffer.js';
import type { ValueSettings } from './trainer-settings.js';
import {
  buildValueGraph,
  buildValueTraining,
  initialValueWeights,
  type ValueShapes,
  type ValueWeight,
  valueWeights,
} from './value-network.js';
import { decodeValueState, encodeValueState, type ValueState } from './value-state-file.js';

/**
 * The source's settings: learningRate 1e-4, hidden 256, batchSize 256, stepsPerRound 1, batchesPerStep 5. The rest of AdamW is
 * PyTorch's default (weight decay 0.01), as in the source.
 */
export interface ValueBaselineSettings extends Omit<ValueSettings, 'type'> {
  /** Seed of the run. */
  readonly seed: number;
}

/** Returns the embeddings of a prompt: [tokens, width], flat. */
export type EmbedPrompt = (prompt: string) => Promise<Float32Array>;

export interface ValueBaseline {
  /** Returns V of every transition, in order: [transitions]. */
  predict(transitions: readonly Transition[], signal?: AbortSignal): Promise<Float32Array>;
  /**
   * Learns the rewards of a buffer: stepsPerRound steps of AdamW, each on the mean squared error of batchesPerStep batches,
   * averaged. A fault or a cancellation leaves the weights as they were.
   *
   * Source: DPOK (Fan et al., NeurIPS 2023), google-research/google-research dpok/train_online_pg.py at 1d49f2c,
   * `_train_value_func`: `v_step` batches, drawn one by one, add up to one step of AdamW on a v_step-th of their losses.
   *
   * Departure: a buffer smaller than a batch is one batch; the source fails.
   *
   * Errors: TRIB_INTERNAL if the buffer is empty; TRIB_ENGINE if a loss is not finite.
   *
   * `round` and the seed decide the batches. `loss` is the mean over the batches of their loss before the step.
   */
  fit(buffer: ReplayBuffer, round: number, signal?: AbortSignal): Promise<{ readonly loss: number }>;
  /** Returns the weights and the optimizer's state as the bytes of a safetensors file. */
  save(): Uint8Array;
  /**
   * Resumes from what `save` returned: equal calls then give equal bits. Errors: TRIB_FILE, TRIB_CHECKPOINT, with `where`.
   */
  restore(bytes: Uint8Array, where: string): void;
  release(): Promise<void>;
}

/**
 * Opens a value network with fresh weights. One call of `fit` at a time.
 *
 * The prompt is the mean over the tokens of its promptEmbeds (departure: see `buildValueGraph`).
 */
export async function openValueBaseline(
  engine: Engine,
  shapes: ValueShapes,
  settings: ValueBaselineSettings,
  embed: EmbedPrompt,
): Promise<ValueBaseline> {
  const { batchSize, learningRate, stepsPerRound, batchesPerStep, seed } = settings;
  const specs = valueWeights(shapes, settings.hidden);
  const model = encodeGraph(buildValueGraph(shapes, settings));
  const inference = await engine.compile(model, { label: 'value network' });
  const { graph, gradients } = buildValueTraining(engine, shapes, settings);
  const label = 'training graph of the value network';
  const training = await engine.compile(encodeGraph(graph), { label, gradients });
  const weights = initialValueWeights(specs, seed);
  let state: ValueState = { weights, optimizer: initialAdamWState(weights) };

  /** Loss and gradients of one batch at the weights that the engine holds. */
  async function gradientOf(batch: readonly Transition[], signal?: AbortSignal) {
    const rowWeights = new Float32Array(batchSize).fill(1 / batch.length, 0, batch.length);
    const rewards = Float32Array.from({ length: batchSize }, (_, row) => batch[row]?.reward ?? 0);
    const outputs = await training.run(
      {
        ...(await rowFeeds(batch, shapes, batchSize, embed)),
        reward: float32(rewards, [batchSize]),
        weight: float32(rowWeights, [batchSize]),
      },
      { signal, transfer: true },
    );
    const gradients = Object.fromEntries(
      specs.map(({ name }) => [name, float32Data(outputs[`gradient:${name}`], name)]),
    );
    return { gradients, loss: at(float32Data(outputs.loss, 'loss'), 0) };
  }

  /** Returns the state after one step. */
  async function step(from: ValueState, batches: readonly (readonly Transition[])[], signal?: AbortSignal) {
    await training.hold(weightFeeds(specs, from.weights));
    const found = [];
    for (const batch of batches) found.push(await gradientOf(batch, signal));
    const mean = meanOf(found.map(({ gradients }) => gradients));
    const { parameters, state: optimizer } = adamWStep(from.weights, mean, from.optimizer, { learningRate });
    const loss = found.reduce((sum, one) => sum + one.loss, 0) / found.length;
    return { state: { weights: parameters, optimizer }, loss };
  }

  return {
    async predict(transitions, signal) {
      await inference.hold(weightFeeds(specs, state.weights));
      const values = new Float32Array(transitions.length);
      for (let start = 0; start < transitions.length; start += batchSize) {
        const rows = transitions.slice(start, start + batchSize);
        const feeds = await rowFeeds(rows, shapes, batchSize, embed);
        const { value } = await inference.run(feeds, { signal, transfer: true });
        values.set(float32Data(value, 'value').subarray(0, rows.length), start);
      }
      return values;
    },
    async fit(buffer, round, signal) {
      if (buffer.length === 0)
        throw misfit('buffer', 'at least one transition', 'none', 'Push the rollouts first.');
      let [next, sum] = [state, 0];
      for (let index = 0; index < stepsPerRound; index++) {
        const batches = Array.from({ length: batchesPerStep }, (_, batch) => {
          const place = { group: round, step: index * batchesPerStep + batch };
          return sample(buffer, batchSize, counterRandom({ seed, purpose: 'value-batch', ...place }));
        });
        const taken = await step(next, batches, signal);
        if (!Number.isFinite(taken.loss)) throw diverged(round, index, taken.loss);
        next = taken.state;
        sum += taken.loss;
      }
      state = next;
      return { loss: sum / stepsPerRound };
    },
    save: () => encodeValueState(state, specs),
    restore(bytes, where) {
      state = decodeValueState(bytes, specs, where);
    },
    async release() {
      await inference.release();
      await training.release();
    },
  };
}

/** The mean of arrays of the same names and lengths, summed in float64. */
function meanOf(all: readonly NamedArrays[]): NamedArrays {
  const first = at(all, 0);
  const mean = ([name, values]: readonly [string, Float32Array]) => {
    const columns = all.map((arrays) => named(arrays, name));
    const sum = (index: number) => columns.reduce((total, column) => total + column[index]!, 0);
    return [name, values.map((_, index) => sum(index) / all.length)] as const;
  };
  return Object.fromEntries(Object.entries(first).map(mean));
}

function weightFeeds(specs: readonly ValueWeight[], weights: NamedArrays): Tensors {
  return Object.fromEntries(specs.map(({ name, shape }) => [name, float32(named(weights, name), shape)]));
}

/** Feeds of one run. Missing rows repeat the first one, so that all runs have the same shapes. */
async function rowFeeds(
  transitions: readonly Transition[],
  { latentSize, embedWidth, numSteps }: ValueShapes,
  batchSize: number,
  embed: EmbedPrompt,
): Promise<Tensors> {
  const pooled = new Map<string, Float32Array>();
  const latents = new Float32Array(batchSize * latentSize);
  const promptEmbeds = new Float32Array(batchSize * embedWidth);
  const steps: number[] = [];
  for (let row = 0; row < batchSize; row++) {
    const { prompt, step, latents: before } = transitions[row] ?? at(transitions, 0);
    if (before.length !== latentSize || step >= numSteps) {
      throw misfit(
        'transition',
        `${latentSize} latents and a step below ${numSteps}`,
        `${before.length} latents and step ${step}`,
        'Open the baseline for the model and the sampler that made it.',
      );
    }
    const embedding = pooled.get(prompt) ?? meanOverTokens(await embed(prompt), embedWidth);
    pooled.set(prompt, embedding);
    latents.set(before, row * latentSize);
    promptEmbeds.set(embedding, row * embedWidth);
    steps.push(step);
  }
  return {
    latents: float32(latents, [batchSize, latentSize]),
    promptEmbeds: float32(promptEmbeds, [batchSize, embedWidth]),
    step: int64(steps),
  };
}

/** [tokens, width] -> [width]. */
function meanOverTokens(embeds: Float32Array, width: number): Float32Array {
  const numTokens = embeds.length / width;
  if (numTokens < 1 || !Number.isInteger(numTokens)) {
    const nextStep = 'Open the baseline with the width of the pipeline.';
    throw misfit('prompt embedding', `rows of ${width} numbers`, `${embeds.length} numbers`, nextStep);
  }
  const sums = new Float64Array(width);
  for (let i = 0; i < embeds.length; i++) sums[i % width]! += embeds[i]!;
  return Float32Array.from(sums, (sum) => sum / numTokens);
}

function misfit(what: string, expected: string, got: string, nextStep: string): TributaryError {
  return new TributaryError(
    'TRIB_INTERNAL',
    `value baseline ${what}: expected ${expected}, got ${got}. ${nextStep}`,
  );
}

function diverged(round: number, step: number, loss: number): TributaryError {
  return new TributaryError(
    'TRIB_ENGINE',
    `value network, round ${round}, step ${step}: expected a finite loss, got ${loss}. Start anew with a smaller learning rate of the value network and another --run-dir; the last checkpoint is kept.`,
  );
}
