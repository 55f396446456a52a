/** @file What a reward source is given, and what it says of itself. */

import { entriesOf } from '../../../catalog.js';
import { integer } from '../../../fields.js';
import type { Engine } from '../../engines/contract/engine.js';
import type { RewardScorer } from './reward-scorer.js';

/** What a run gives to a reward source. */
export interface RewardContext {
  /** The engine of the thread, started at the first call and closed by the owner of the context. */
  readonly engine: () => Engine;
  /** Pipeline folder of the model that is tuned, whose tokenizer a reward model may share. */
  readonly pipeline: string;
  /** [3, H, W] of the pictures. */
  readonly imageShape: readonly [number, number, number];
  /** Largest magnitude of a reward, above 0. */
  readonly maxMagnitude: number;
  /** The only place that secrets come from. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface RewardSourceTraits {
  /** What scoring several groups at once requires, worded to follow "with more than 1"; absent if the scorer cannot. */
  readonly sideBySide?: string;
}

/** Checks the entry of a reward source. `create` opens it or says what is missing, before a picture is scored. */
export const defineRewardSource = entriesOf<Promise<RewardScorer>, [RewardContext], RewardSourceTraits>();

/** The setting `batchSize`; `meaning` says what it counts. */
export const batchSizeField = (meaning: string) =>
  integer(1, 4096).default(32).describe(`${meaning} at most; the last one of a group may hold fewer.`);
