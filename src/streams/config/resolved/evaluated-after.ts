import type { ResolvedConfig } from '../schema/topology-schema.js';
import { stageOf } from './stage-of.js';

/** Whether the policy is evaluated once this many rounds are complete. */
export function isEvaluatedAfter(config: ResolvedConfig, completeRounds: number): boolean {
  return (
    completeRounds === stageOf(config, 'prompts').numRounds ||
    completeRounds % config.evaluation.everyRounds === 0
  );
}
