import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import type { PictureGroup } from '../../messages/messages.js';
import { rolloutFault } from '../work/rollout-fault.js';

/**
 * Returns what is wrong with pictures that anyone may have written, as a phrase `expected ..., got ...`; null where they may
 * be scored.
 *
 * @param imageShape [C, H, W] of the pictures of the model.
 */
export function pictureFault(
  config: ResolvedConfig,
  imageShape: PictureGroup['imageShape'],
): (group: PictureGroup) => string | null {
  const faultOf = rolloutFault(config);
  return (group) => {
    const [expected, got] = [imageShape, group.imageShape].map((shape) => `[${shape.join(', ')}]`);
    const fault = expected === got ? null : `expected pictures of ${expected}, got ${got}`;
    return faultOf(group) ?? fault;
  };
}
