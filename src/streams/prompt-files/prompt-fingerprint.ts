import { createHash } from 'node:crypto';
import type { ListedPrompt } from '../messages/prompts.js';

/** Identifies a list of prompts for a run that is resumed later. */
export interface PromptFingerprint {
  readonly count: number;
  /** Of all prompts in order, with weights and metadata; lower-case hexadecimal. */
  readonly sha256: string;
}

export interface PromptFingerprints {
  readonly train: PromptFingerprint;
  readonly heldOut: PromptFingerprint;
}

/** Files with the same prompts have the same fingerprint, whatever their kind, encoding and comments. */
export function promptFingerprint(prompts: readonly ListedPrompt[]): PromptFingerprint {
  const hash = createHash('sha256');
  for (const { prompt, weight, metadata } of prompts)
    hash.update(`${JSON.stringify([prompt, weight, metadata ?? {}])}\n`);
  return { count: prompts.length, sha256: hash.digest('hex') };
}

/** Of both lists of a run. */
export function fingerprintsOf({
  train,
  heldOut,
}: {
  readonly train: { readonly fingerprint: PromptFingerprint };
  readonly heldOut: { readonly fingerprint: PromptFingerprint };
}): PromptFingerprints {
  return { train: train.fingerprint, heldOut: heldOut.fingerprint };
}
