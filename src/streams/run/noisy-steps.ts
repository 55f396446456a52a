/** @file What the scheduler of a run's model makes of its sampler steps. */
import { TributaryError } from '../../errors.js';
import { createNoiseSchedule } from '../../models/diffusion/noise-schedule.js';
import { noisySteps } from '../../models/diffusion/stochastic-steps.js';
import { createSurrogate } from '../../models/objectives/index.js';
import { isPipelineThere, readPipelineScheduler } from '../../models/pipeline/pipeline-index.js';
import { findContradictions } from '../config/contradictions/index.js';
import { findStage } from '../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import { createFault } from '../config/source/fault.js';

/**
 * Reads how many leading sampler steps draw noise under the scheduler of a config's model, and so may be trained. Undefined
 * stands for all of them: nothing is trained by log-probs, or the model is not there (yet).
 *
 * Errors: TRIB_MODEL where its scheduler cannot be read, TRIB_CONFIG where it takes no such number of steps.
 *
 * @param warn takes what the pipeline corrects in the scheduler's config.
 */
export async function readNoisySteps(
  { stages, model }: ResolvedConfig,
  warn: (message: string) => void = () => {},
): Promise<number | undefined> {
  const sampler = findStage({ stages }, 'sampler');
  const trainer = findStage({ stages }, 'trainer');
  if (!sampler || !trainer || !isPipelineThere(model.pipeline)) return undefined;
  const scheduler = await readPipelineScheduler(model.pipeline, warn);
  // Which steps draw noise does not depend on the size of the pictures.
  const anySize = scheduler.predictionType === 'flow' ? scheduler.dynamicShift?.baseTokens : undefined;
  const schedule = createNoiseSchedule(scheduler, anySize);
  // Surrogates of noised pictures train on the pictures, whatever step they came from.
  if (createSurrogate(trainer.surrogate).trainsOn === 'denoising') return undefined;
  return noisySteps(schedule, sampler.numInferenceSteps, sampler.sde);
}

/**
 * Checks a config against what the model's scheduler makes of its steps.
 *
 * Errors: TRIB_CONFIG with every fault.
 */
export function requireNoisySteps(config: ResolvedConfig, count: number | undefined): void {
  const faults = findContradictions(config, count);
  if (faults.length === 0) return;
  const place = { label: config.name, order: 0 };
  throw new TributaryError(
    'TRIB_CONFIG',
    faults.map((fault) => createFault(place, fault).message).join('\n'),
  );
}
