/**
 * @file Dynamic loss scaling (Micikevicius et al. 2018, "Mixed precision training", section 3.2), as `torch.amp.GradScaler`:
 * the loss that is differentiated is multiplied by a scale, so that gradients do not fall below what half precision holds,
 * and the gradients are divided by it again. Where one is not finite the update is skipped.
 */

export interface LossScaleOptions {
  /** The scale of the first update, above 0. */
  readonly initial: number;
  /** Updates in a row without a skipped one after which the scale is doubled. */
  readonly growthInterval: number;
}

export interface LossScaleState {
  readonly scale: number;
  /** Updates since the scale was last changed, none of them skipped. */
  readonly goodUpdates: number;
}

/** What the scale is multiplied by: powers of two, so that scaling and unscaling lose no bit. */
const [GROWTH, BACKOFF] = [2, 0.5];

/**
 * Below it no scale helps: gradients that are beyond 65504 after a multiplication by 2^-16 are beyond 4e9 themselves, and
 * single precision would not have saved them from a step in an arbitrary direction.
 */
export const LEAST_LOSS_SCALE = 2 ** -16;

/** Above it a scale times a loss of 1 would not be a float32, and gradients never not finite are zero. */
const GREATEST_LOSS_SCALE = 2 ** 127;

export const initialLossScale = ({ initial }: LossScaleOptions): LossScaleState => ({
  scale: initial,
  goodUpdates: 0,
});

/** Returns the state after an update, or after one that was skipped because its gradients were not finite. */
export function nextLossScale(
  { scale, goodUpdates }: LossScaleState,
  isSkipped: boolean,
  { growthInterval }: LossScaleOptions,
): LossScaleState {
  if (isSkipped) return { scale: scale * BACKOFF, goodUpdates: 0 };
  if (goodUpdates + 1 < growthInterval) return { scale, goodUpdates: goodUpdates + 1 };
  return { scale: Math.min(scale * GROWTH, GREATEST_LOSS_SCALE), goodUpdates: 0 };
}
