import type { Trajectory } from '../rollouts/sampler.js';

/** What is trained on: the path of a leaf, and how good it was. */
export interface TrainingSample {
  readonly groupId: string;
  readonly prompt: string;
  readonly advantage: number;
  /** One a step of the trajectory; null where `advantage` holds for all of them. */
  readonly stepAdvantages: readonly number[] | null;
  readonly trajectory: Trajectory;
}
