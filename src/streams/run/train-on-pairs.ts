/** @file Training on preference pairs that a gateway has kept: no sampler, no rewards, nobody to wait for. */

import { at } from '../../at.js';
import { TributaryError } from '../../errors.js';
import { createSurrogate } from '../../models/objectives/index.js';
import { comparesPairs } from '../../models/objectives/surrogate.js';
import type { TrainingStatistics } from '../../models/policy/training-statistics.js';
import { counterRandom } from '../../models/random/counter-random.js';
import { stageOf } from '../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import type { Say } from '../messages/run-events.js';
import {
  type LoadedPair,
  loadPairs,
  type RecordedPair,
  readPairs,
} from '../stages/gateway/recorded-pairs.js';
import { startTrainer } from '../stages/trainer/client.js';

interface PairTraining {
  /** Its trainer, sampler and rounds are those of a run: `groupsPerRound` pairs a round, `numRounds` rounds. */
  readonly config: ResolvedConfig;
  /** A gateway's. */
  readonly folder: string;
  readonly say: Say;
  readonly warn: (message: string) => void;
  readonly onRound: (round: number, numRounds: number, statistics: TrainingStatistics) => void;
  readonly signal?: AbortSignal;
}

/**
 * Trains from the start of the config on pairs, and returns the policy's file. Each pass over the pairs has an order of its own,
 * from the seed; the same seed and folder give the same bytes. Memory: the groups of one round.
 *
 * Errors: TRIB_CONFIG for a surrogate that compares no pairs; TRIB_FILE without pairs, where a round finds no group, or for a
 * group of another number of sampler steps.
 */
export async function trainOnPairs(options: PairTraining): Promise<Uint8Array> {
  const { config, folder, say, warn, onRound, signal } = options;
  requirePairs(config);
  const pairs = await readPairs(folder, warn);
  const trainer = await startTrainer(config, say, { resumed: false });
  try {
    const { groupsPerRound, numRounds } = stageOf(config, 'prompts');
    for (let round = 0; round < numRounds; round++) {
      const drawn = pairsOfRound(pairs, config.seed, round, groupsPerRound);
      const loaded = await loadPairs(folder, drawn, warn);
      const trainedSteps = stepsOf(loaded, config, folder, round);
      const samples = loaded.flatMap((pair) => pair.samples);
      const request = { samples, trainedSteps, round, learningRateScale: 1 };
      onRound(round, numRounds, await trainer.call.train(request, { signal }));
    }
    return (await trainer.call.shipped(undefined)).adapter;
  } finally {
    await trainer.close();
  }
}

/** Places `round * size` and on of an endless list: one shuffled pass after another. */
function pairsOfRound(
  pairs: readonly RecordedPair[],
  seed: number,
  round: number,
  size: number,
): readonly RecordedPair[] {
  const passes = new Map<number, readonly RecordedPair[]>();
  return Array.from({ length: size }, (_, index) => {
    const place = round * size + index;
    const pass = Math.floor(place / pairs.length);
    const order =
      passes.get(pass) ?? counterRandom({ seed, purpose: 'pair-order', group: pass }).shuffle(pairs);
    passes.set(pass, order);
    return at(order, place % pairs.length);
  });
}

/** The trained steps of the first group; pairs of a step that only some recorded are left out by the trainer. */
function stepsOf(
  loaded: readonly LoadedPair[],
  config: ResolvedConfig,
  folder: string,
  round: number,
): readonly number[] {
  const { numInferenceSteps } = stageOf(config, 'sampler');
  const other = loaded.find(({ interval }) => interval.numSteps !== numInferenceSteps);
  if (other)
    throw new TributaryError(
      'TRIB_FILE',
      `${folder}: expected groups of ${numInferenceSteps} sampler steps, got one of ${other.interval.numSteps}. Train with the config that drew them.`,
    );
  const [first] = loaded;
  if (first) return first.interval.trainedSteps;
  throw new TributaryError(
    'TRIB_FILE',
    `${folder}: expected groups of the pairs of round ${round}, got none that can be read. Restore them from a backup, or remove their pairs.`,
  );
}

function requirePairs(config: ResolvedConfig): void {
  const { surrogate } = stageOf(config, 'trainer');
  if (comparesPairs(createSurrogate(surrogate))) return;
  throw new TributaryError(
    'TRIB_CONFIG',
    `stages.trainer.surrogate: expected one that compares pairs, got ${surrogate.type}. Set type: diffusion-dpo, or d3po where the steps drew noise.`,
  );
}
