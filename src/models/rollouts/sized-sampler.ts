/** @file Rollouts of pictures of several sizes, each by the sampler of its size. */

import { named } from '../../at.js';
import type { GivenSize } from '../pipeline/picture-size.js';
import type { RolloutRequest, SampledGroup, Sampler } from './sampler.js';

/** `768x512`: width, then height. */
export const sizeName = ({ width, height }: GivenSize): string => `${width}x${height}`;

/**
 * Returns a sampler of requests of several sizes. Those of one size are rolled out together, one size after another. As a group
 * rolls out alike in any batch, what it is asked with does not matter.
 *
 * Errors: TRIB_INTERNAL for a size that has no sampler.
 * @param common for requests without a size.
 * @param sized the others, by `sizeName`.
 */
export function createSizedSampler(common: Sampler, sized: Readonly<Record<string, Sampler>>): Sampler {
  const nameOf = ({ size }: RolloutRequest) => size && sizeName(size);
  return {
    async rollout(requests, trainedSteps, signal) {
      const groups = new Map<RolloutRequest, SampledGroup>();
      for (const name of new Set(requests.map(nameOf))) {
        const alike = requests.filter((request) => nameOf(request) === name);
        const sampler = name === undefined ? common : named(sized, name);
        const rolledOut = await sampler.rollout(alike, trainedSteps, signal);
        for (const [index, group] of rolledOut.entries()) groups.set(alike[index] as RolloutRequest, group);
      }
      return requests.map((request) => groups.get(request) as SampledGroup);
    },
  };
}
