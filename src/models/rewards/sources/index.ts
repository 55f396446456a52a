/** @file The sources of rewards that need no other, one line each. A new one is a file beside this one and a line here. */

import type { RewardScorer } from '../contract/reward-scorer.js';
import type { RewardContext } from '../contract/reward-source.js';
import { aesthetic } from './aesthetic.js';
import { clipScore } from './clip-score.js';
import { dualEncoderReward } from './dual-encoder.js';
import { httpReward } from './http.js';
import { jpegCompressibility, jpegIncompressibility } from './jpeg-size.js';
import { moduleReward } from './module.js';
import { onnxReward } from './onnx.js';
import { vlmCaption } from './vlm-caption.js';
import { vlmQuestion } from './vlm-question.js';

export const SOURCES = [
  dualEncoderReward,
  httpReward,
  clipScore,
  aesthetic,
  jpegCompressibility,
  jpegIncompressibility,
  onnxReward,
  vlmQuestion,
  vlmCaption,
  moduleReward,
] as const;

/** What the settings of a spec in a list are: `{ from: 'http', url: ..., ... }`. */
export type SettingsOf<Spec> = Spec extends {
  readonly from: infer Name;
  readonly open: (settings: infer Settings, context: RewardContext) => Promise<RewardScorer>;
}
  ? { readonly from: Name } & Readonly<Settings>
  : never;

export type SourceSettings = SettingsOf<(typeof SOURCES)[number]>;

/** Opens the source of a list that the settings name. */
export async function openFrom<Spec extends { readonly from: string }>(
  specs: readonly Spec[],
  settings: SettingsOf<Spec>,
  context: RewardContext,
): Promise<RewardScorer> {
  // The settings of a source are what its own `open` takes; the map from word to spec forgets that.
  const spec = specs.find(({ from }) => from === settings.from) as unknown as {
    open(settings: unknown, context: RewardContext): Promise<RewardScorer>;
  };
  return spec.open(settings, context);
}
