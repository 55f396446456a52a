import type { PictureSize } from '../../../models/pipeline/picture-size.js';
import type { ResolvedConfig } from '../schema/topology-schema.js';
import { stageOf } from './stage-of.js';

/** The size of pictures in training, where a config says it. */
export function sizeOf(config: ResolvedConfig): PictureSize {
  const { width, height } = stageOf(config, 'sampler');
  return { width, height };
}
