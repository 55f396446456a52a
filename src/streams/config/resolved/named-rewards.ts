import { namedParts } from '../../../operators/gathering/combined-parts.js';
import type { PromptMetadata } from '../../../prompt-metadata.js';
import type { ResolvedConfig } from '../schema/topology-schema.js';
import { findStage } from './stage-of.js';

/** Returns what is wrong with the rewards that a prompt names, as a phrase `expected ..., got ...`; null if nothing is. */
export type RewardNameFault = (prompt: { readonly metadata?: PromptMetadata }) => string | null;

/**
 * Returns the check of the key `reward` in the metadata of prompts: it must name parts of the combination. Where none combines
 * rewards, the key means nothing, and every value is fine.
 */
export function rewardNameFault(config: Pick<ResolvedConfig, 'stages'>): RewardNameFault {
  const combine = findStage(config, 'combine');
  if (combine === undefined) return () => null;
  const parts = Object.keys(combine.parts);
  const expected = `expected reward in the metadata to name one or several of ${parts.join(', ')}`;
  return ({ metadata }) => {
    if (metadata?.reward === undefined) return null;
    const named = namedParts(metadata);
    if (named === null) return `${expected}, got ${JSON.stringify(metadata.reward).slice(0, 80)}`;
    const unknown = named.find((name) => !parts.includes(name));
    return unknown === undefined ? null : `${expected}, got ${JSON.stringify(unknown).slice(0, 80)}`;
  };
}
