import type { PromptMetadata } from '../../../prompt-metadata.js';
import type { Executable } from '../../engines/contract/engine.js';

/** Pictures of one prompt: `[3, height, width] float32` in [-1, 1] each. */
export interface PicturesOfPrompt {
  readonly prompt: string;
  /** What the prompt's file or sender adds to it. */
  readonly metadata?: PromptMetadata;
  readonly images: readonly Float32Array[];
}

export interface ScoredPictures {
  /** One per picture, in order. */
  readonly rewards: readonly number[];
  /** Vectors of length 1, one per picture, similar for similar pictures; null if the reward has none. */
  readonly features: readonly Float32Array[] | null;
}

/** What graphs run on, as their executables say. */
export type RunsOn = Pick<Executable, 'provider' | 'fallbacks' | 'sessionThreads'>;

/** Several graphs together: the provider of the first, all that any of them lacks, and the most threads of a session. */
export function runsOn(first: RunsOn, ...others: readonly RunsOn[]): RunsOn {
  const all = [first, ...others];
  return {
    provider: first.provider,
    fallbacks: [...new Set(all.flatMap(({ fallbacks }) => fallbacks))],
    sessionThreads: Math.max(...all.map(({ sessionThreads }) => sessionThreads)),
  };
}

/** What scores pictures against their prompt: a model that runs here, or a service elsewhere. */
export interface RewardScorer {
  /** What runs its graphs; null if it has none. */
  readonly runsOn: RunsOn | null;
  /** Aborting stops it at its next safe point. */
  score(pictures: PicturesOfPrompt, signal: AbortSignal): Promise<ScoredPictures>;
  close(): Promise<void>;
}
