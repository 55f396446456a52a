import { stageOf } from './config/stage-of.js';
import type { ResolvedConfig } from './config/topology-schema.js';
import type { Progress } from './messages.js';
import { sharedConfig } from './shared-config.js';

/** Returns the progress of a run whose first training stages are finished, so many as the number says. */
export function progressAt(config: ResolvedConfig, trainingStage: number, isOver = false): Progress {
  const { groupsPerStage } = stageOf(config, 'prompts');
  return {
    finishedGroups: trainingStage * groupsPerStage,
    trainingStage,
    isOver,
    sharedConfig: sharedConfig(config),
  };
}
