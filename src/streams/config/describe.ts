import { deriveSizes } from './derived-sizes.js';
import { stageOf } from './stage-of.js';
import type { ResolvedConfig } from './topology-schema.js';

/** Returns the derived quantities of a run as lines to print at its start, name and value. */
export function describeTopology(
  config: ResolvedConfig,
): readonly (readonly [name: string, value: string])[] {
  const prompts = stageOf(config, 'prompts');
  const sampler = stageOf(config, 'branchRollouts');
  const trainer = stageOf(config, 'gradientSteps');
  const sizes = deriveSizes(config);
  const count = (value: number) => value.toLocaleString('en-US');
  const { first, last } = sizes.trainedSteps;
  return [
    ['seed', String(config.seed)],
    ['transport', config.transport.kind],
    ['engine', `${config.engine.providers.join(', ')}; ${config.engine.threads} threads`],
    [
      'images a stage',
      `${count(sizes.imagesPerStage)} (${prompts.groupsPerStage} groups x ${sampler.numBranches} branches)`,
    ],
    ['reward queries', `${count(sizes.rewardQueries)} in ${count(prompts.numStages)} stages`],
    ['images an evaluation', count(sizes.imagesPerEvaluation)],
    [
      'trained steps',
      `${first === last ? `the last ${first}` : `the last ${first}, growing to ${last}`} of ${sampler.numInferenceSteps}`,
    ],
    [
      'optimizer steps a stage',
      `at most ${count(sizes.optimizerStepsPerStage)} (${count(sizes.selectableSamples)} samples, innerEpochs ${trainer.innerEpochs}, ${trainer.samplesPerUpdate} samples a step)`,
    ],
    [
      'UNet evaluations',
      `${count(sizes.samplingEvaluations)} sampling, at most ${count(sizes.trainingEvaluations)} training`,
    ],
  ];
}
