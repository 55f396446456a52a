/** @file What a source of rewards says of itself: all that config, lint, JSON Schema and the reward thread need. */

import type { z } from 'zod';
import type { Engine } from '../../engines/contract/engine.js';
import type { RewardScorer } from './reward-scorer.js';

/** What a run gives to whatever scores its pictures. */
export interface RewardContext {
  /** The engine of the thread, started at the first call; whoever made the context closes it. */
  readonly engine: () => Engine;
  /** Pipeline folder of the model that is tuned, whose tokenizer a reward model may share. */
  readonly pipeline: string;
  /** [3, H, W] of the pictures. */
  readonly imageShape: readonly [number, number, number];
  /** Largest magnitude of a reward, above 0. */
  readonly maxMagnitude: number;
  /** Secrets come from here, and from nowhere else. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface RewardSourceSpec<Name extends string, Fields extends z.core.$ZodLooseShape> {
  /** Its word in a config: `from: http`. */
  readonly from: Name;
  /** What the rewards are, in a sentence. */
  readonly summary: string;
  /** Its settings, each with a description and, where one makes sense, a default. */
  readonly fields: Fields;
  /** There where groups may be scored side by side: what that asks of the scorer, after "with more than 1". */
  readonly sideBySide?: string;
  /**
   * Opens it. A path is relative to where the program runs.
   * @throws TributaryError with what is missing, before a picture is scored.
   */
  readonly open: (settings: z.output<z.ZodObject<Fields>>, context: RewardContext) => Promise<RewardScorer>;
}

/** Keeps the literal types of a spec while it is checked. */
export function defineRewardSource<const Name extends string, Fields extends z.core.$ZodLooseShape>(
  spec: RewardSourceSpec<Name, Fields>,
): RewardSourceSpec<Name, Fields> {
  return spec;
}
