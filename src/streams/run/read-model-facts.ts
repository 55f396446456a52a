/** @file What a run's model says that its config has to fit: its scheduler, and what its network takes. */
import { TributaryError } from '../../errors.js';
import { createNoiseSchedule } from '../../models/diffusion/noise-schedule.js';
import { noisySteps } from '../../models/diffusion/stochastic-steps.js';
import { createSurrogate } from '../../models/objectives/index.js';
import {
  isPipelineThere,
  readPipelineDenoiser,
  readPipelineScheduler,
} from '../../models/pipeline/pipeline-index.js';
import { findContradictions } from '../config/contradictions/index.js';
import type { ModelFacts } from '../config/resolved/model-facts.js';
import { findStage } from '../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import { createFault } from '../config/source/fault.js';

/**
 * Reads how many leading sampler steps draw noise under the scheduler of a config's model, and so may be trained, and whether
 * its network takes the guidance scale. Undefined where nothing is trained, or the model is not there (yet); of surrogates that
 * are not trained by log-probs, all steps count.
 *
 * Errors: TRIB_MODEL where its scheduler cannot be read, TRIB_CONFIG where it takes no such number of steps. What is wrong with
 * the config of its network is said when that is opened.
 *
 * @param warn takes what the pipeline corrects in the scheduler's config.
 */
export async function readModelFacts(
  { stages, model: { pipeline } }: ResolvedConfig,
  warn: (message: string) => void = () => {},
): Promise<ModelFacts | undefined> {
  const sampler = findStage({ stages }, 'sampler');
  const trainer = findStage({ stages }, 'trainer');
  if (!sampler || !trainer || !isPipelineThere(pipeline)) return undefined;
  const scheduler = await readPipelineScheduler(pipeline, warn);
  // Which steps draw noise does not depend on the size of the pictures.
  const anySize = scheduler.predictionType === 'flow' ? scheduler.dynamicShift?.baseTokens : undefined;
  const schedule = createNoiseSchedule(scheduler, anySize);
  const denoiser = await readPipelineDenoiser(pipeline).catch(() => null);
  const takesScale = (denoiser?.guidanceWidth ?? null) !== null;
  // Surrogates of noised pictures train on the pictures, whatever step they came from.
  if (createSurrogate(trainer.surrogate).trainsOn === 'denoising') return { takesScale };
  return { takesScale, noisySteps: noisySteps(schedule, sampler.numInferenceSteps, sampler.sde) };
}

/**
 * Checks a config against what is known of its model.
 *
 * Errors: TRIB_CONFIG with every fault.
 */
export function requireFitsModel(config: ResolvedConfig, model: ModelFacts | undefined): void {
  const faults = findContradictions(config, model);
  if (faults.length === 0) return;
  const place = { label: config.name, order: 0 };
  throw new TributaryError(
    'TRIB_CONFIG',
    faults.map((fault) => createFault(place, fault).message).join('\n'),
  );
}
