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
  /** Of the files of merged sources, by name of the source; absent if there are none. */
  readonly sources?: Readonly<Record<string, PromptFingerprint>> | undefined;
}

interface Fingerprinted {
  readonly fingerprint: PromptFingerprint;
}

/** Files with the same prompts have the same fingerprint, whatever their kind, encoding and comments. */
export function promptFingerprint(prompts: readonly ListedPrompt[]): PromptFingerprint {
  const hash = createHash('sha256');
  for (const { prompt, weight, metadata } of prompts)
    hash.update(`${JSON.stringify([prompt, weight, metadata ?? {}])}\n`);
  return { count: prompts.length, sha256: hash.digest('hex') };
}

interface FingerprintedLists {
  readonly train: Fingerprinted;
  readonly heldOut: Fingerprinted;
  readonly sources?: Readonly<Record<string, Fingerprinted>>;
}

/** Of all lists of a run. */
export function fingerprintsOf({ train, heldOut, sources }: FingerprintedLists): PromptFingerprints {
  const named = Object.entries(sources ?? {}).map(([name, { fingerprint }]) => [name, fingerprint] as const);
  return {
    train: train.fingerprint,
    heldOut: heldOut.fingerprint,
    ...(named.length > 0 && { sources: Object.fromEntries(named) }),
  };
}

/** Of all prompts that a run trains on: of `train` alone, or with the files of its sources. */
export function trainingFingerprint(lists: FingerprintedLists): PromptFingerprint {
  const { train, sources } = fingerprintsOf(lists);
  if (sources === undefined) return train;
  const all = Object.entries({ ...sources, '': train }).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    count: all.reduce((sum, [, { count }]) => sum + count, 0),
    sha256: createHash('sha256').update(JSON.stringify(all)).digest('hex'),
  };
}
