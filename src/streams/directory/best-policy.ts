/**
 * @file The best policy of a run so far, by mean reward on held-out prompts: `best/` in its directory, adapter and
 * evaluation together, replaced whole. The base model is the first one, as an adapter that changes nothing.
 */
import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { leftoversOf, writeDirectoryAtomic, writeFault } from '../../models/files/atomic.js';
import { parseJsonOrNull } from '../../models/files/json-file.js';
import type { Evaluation } from '../messages/run-events.js';
import { ADAPTER_FILE, isThere, WEIGHTS_FILE } from './adapter-path.js';
import { policyFileName } from './checkpoint-files.js';
import { evaluationSchema } from './metrics-line.js';

export const BEST_FOLDER = 'best';
const EVALUATION_FILE = 'evaluation.json';

export interface BestPolicy {
  readonly evaluation: Evaluation;
  /** The file of the policy, as in a checkpoint. */
  readonly adapter: Uint8Array;
}

/** What `best/` holds; the policy file of a damaged one, if there is one. */
export type FoundBest =
  | { readonly state: 'whole'; readonly best: BestPolicy }
  | { readonly state: 'absent' }
  | { readonly state: 'damaged'; readonly damage: string; readonly adapter: Uint8Array | null };

/** Whether a policy replaces the best one. Of equal ones the earlier stays. */
export function isBetter(candidate: Evaluation, best: Evaluation): boolean {
  return candidate.heldOut.rewardMean > best.heldOut.rewardMean;
}

/**
 * Replaces the best policy of a run.
 *
 * Errors: TRIB_FILE.
 */
export async function writeBest(runPath: string, { evaluation, adapter }: BestPolicy): Promise<void> {
  // The figures are written last: a folder that has them is whole.
  await writeDirectoryAtomic(join(runPath, BEST_FOLDER), {
    [policyFileName(adapter)]: adapter,
    [EVALUATION_FILE]: `${JSON.stringify(evaluation, null, 2)}\n`,
  });
}

/** Reads the best policy of a run; null if there is none, or it cannot be read. */
export async function readBest(runPath: string): Promise<BestPolicy | null> {
  const found = await findBest(join(runPath, BEST_FOLDER));
  return found.state === 'whole' ? found.best : null;
}

/** Reads a folder of a best policy, or says what is wrong with it. */
export async function findBest(folder: string): Promise<FoundBest> {
  const read = (name: string) => readFile(join(folder, name)).catch(() => null);
  const adapter = (await read(ADAPTER_FILE)) ?? (await read(WEIGHTS_FILE));
  const text = await read(EVALUATION_FILE);
  if (adapter === null && text === null) return { state: 'absent' };
  if (adapter === null) return { state: 'damaged', damage: 'figures without a policy', adapter };
  const evaluation = evaluationSchema.safeParse(parseJsonOrNull(text?.toString('utf8') ?? ''));
  if (evaluation.success)
    return { state: 'whole', best: { adapter, evaluation: evaluation.data as unknown as Evaluation } };
  const damage =
    text === null ? `no ${EVALUATION_FILE}` : `${EVALUATION_FILE} without the figures of an evaluation`;
  return { state: 'damaged', damage, adapter };
}

/**
 * Restores `best/` after a crash between the two renames that replace it, and removes what crashes left behind. Of the old and
 * the new one, if both are whole, the better one is kept.
 *
 * Errors: TRIB_FILE.
 */
export async function recoverBest(runPath: string): Promise<void> {
  const path = join(runPath, BEST_FOLDER);
  const leftovers = await leftoversOf(path);
  try {
    let kept: { readonly folder: string; readonly evaluation: Evaluation } | null = null;
    for (const folder of (await isThere(path)) ? [] : leftovers) {
      const found = await findBest(folder);
      if (found.state !== 'whole') continue;
      const { evaluation } = found.best;
      if (kept === null || isBetter(evaluation, kept.evaluation)) kept = { folder, evaluation };
    }
    if (kept) await rename(kept.folder, path);
    for (const folder of leftovers) await rm(folder, { recursive: true, force: true });
  } catch (cause) {
    throw writeFault(path, cause);
  }
}
