/** @file What TensorBoard shows of a run beside its figures: its config, its hyperparameters, and pictures. */

import { stringify } from 'yaml';
import { learningRateFactor } from '../../../models/optimizers/adamw.js';
import { findStage } from '../../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import type { RoundMetrics } from '../../messages/run-events.js';
import { type HyperParameters, hyperParameterRecord, textRecord } from './event-record.js';

/** Returns the records that a file begins with after its version. */
export function configRecords(config: ResolvedConfig, wallTime: number): Uint8Array[] {
  // Four spaces in front make a block of code in Markdown.
  const text = stringify(config).replace(/^/gm, '    ');
  return [
    textRecord({ wallTime, tag: 'config', text }),
    hyperParameterRecord({ wallTime, name: config.name, values: hyperParametersOf(config) }),
  ];
}

/** What runs are told apart by; each is a column of the table of TensorBoard. */
function hyperParametersOf(config: ResolvedConfig): HyperParameters {
  const { seed, model } = config;
  const trainer = findStage(config, 'trainer');
  const sampler = findStage(config, 'sampler');
  const prompts = findStage(config, 'prompts');
  const values = {
    seed,
    'model.train': model.train,
    'model.lora.rank': model.train === 'adapter' ? model.lora.rank : undefined,
    'model.precision': model.precision,
    'prompts.groupsPerRound': prompts?.groupsPerRound,
    'prompts.numRounds': prompts?.numRounds,
    'sampler.numInferenceSteps': sampler?.numInferenceSteps,
    'sampler.guidanceScale': sampler?.guidanceScale,
    'sampler.eta': sampler?.eta,
    'sampler.numBranches': sampler?.numBranches,
    'sampler.forkPlan': sampler?.forkPlan,
    'schedule.mode': findStage(config, 'schedule')?.mode,
    'advantages.rule': findStage(config, 'advantages')?.rule,
    'trainer.surrogate': trainer?.surrogate.type,
    'trainer.updates': trainer?.updates.from,
    'trainer.learningRate': trainer?.learningRate,
    'trainer.stepWeighting': trainer?.stepWeighting,
  };
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

/** The step size of AdamW in a round; absent without a trainer. */
export function learningRateOf(
  config: ResolvedConfig,
  { round, learningRateScale }: Pick<RoundMetrics, 'round' | 'learningRateScale'>,
): number | null {
  const trainer = findStage(config, 'trainer');
  const prompts = findStage(config, 'prompts');
  if (!trainer || !prompts) return null;
  const { plannedRounds = prompts.numRounds } = prompts;
  const { learningRate, learningRateSchedule, learningRateFloor } = trainer;
  const factor = learningRateFactor(learningRateSchedule, round, plannedRounds, learningRateFloor);
  return learningRate * learningRateScale * factor;
}
