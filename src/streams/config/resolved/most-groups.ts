import type { ResolvedConfig } from '../schema/topology-schema.js';
import { stageOf } from './stage-of.js';

/**
 * Returns how many groups the trainer may be given at one time: those in flight, and after a resume from its oldest checkpoint
 * all that came since.
 */
export function mostGroups(config: ResolvedConfig): number {
  const { keep, everyRounds } = config.checkpoints;
  return (1 + keep * everyRounds) * stageOf(config, 'prompts').runAhead;
}
