/** @file Whether prompt files still hold what a run began with. */

import { TributaryError } from '../../errors.js';
import type { RunState } from '../directory/checkpoint-files.js';
import type { Progress } from '../messages/messages.js';
import type { PromptFile } from '../prompt-files/prompt-file.js';
import type { PromptFingerprint } from '../prompt-files/prompt-fingerprint.js';

/**
 * A run that goes on with other prompts would log two runs as one. A checkpoint that does not say what they were, as older
 * versions wrote it, is taken as it is.
 *
 * **Errors**: TRIB_CHECKPOINT, naming the file and both lists.
 */
export function requireSamePrompts(
  lists: { readonly train: PromptFile; readonly heldOut: PromptFile },
  checkpoint: { readonly path: string; readonly state: Pick<RunState, 'promptFingerprints'> },
): void {
  const before = checkpoint.state.promptFingerprints;
  if (!before) return;
  for (const list of ['train', 'heldOut'] as const) {
    const { path, fingerprint } = lists[list];
    if (fingerprint.sha256 === before[list].sha256) continue;
    throw new TributaryError(
      'TRIB_CHECKPOINT',
      `stages.prompts.${list} ${path}: expected ${written(before[list])}, as in ${checkpoint.path}, got ${written(fingerprint)}. Restore the file; or start a new run from the adapter of this one, with --run-dir and model.startFrom.`,
    );
  }
}

/** **Errors**: TRIB_CONFIG where the trainer has other training prompts than the process that gives them to groups. */
export function requireTrainersPrompts({ path, fingerprint }: PromptFile, { trainPrompts }: Progress): void {
  if (trainPrompts === undefined || trainPrompts === fingerprint.sha256) return;
  throw new TributaryError(
    'TRIB_CONFIG',
    `stages.prompts.train ${path}: expected the prompts of the trainer (SHA-256 ${trainPrompts.slice(0, 16)}), got ${written(fingerprint)}. Give both processes the same file; \`tributary control <config> prompts <file>\` gives a running run other prompts.`,
  );
}

const written = ({ count, sha256 }: PromptFingerprint) => `${count} prompts (SHA-256 ${sha256.slice(0, 16)})`;
