/**
 * @file The best policy of a run so far, by mean reward on held-out prompts: `best/` in its directory, adapter and
 * evaluation together, replaced whole. The base model is the first one, as an adapter that changes nothing.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeDirectoryAtomic } from '../models/files/atomic.js';
import { ADAPTER_FILE, policyFileName, WEIGHTS_FILE } from './checkpoint-files.js';
import { parseJsonOrNull } from './parse-json-or-null.js';
import type { Evaluation } from './run-events.js';

const BEST_FOLDER = 'best';
const EVALUATION_FILE = 'evaluation.json';

export interface BestPolicy {
  readonly evaluation: Evaluation;
  /** The file of the policy, as in a checkpoint. */
  readonly adapter: Uint8Array;
}

const evaluationSchema = z.looseObject({
  trainingStage: z.int().min(0),
  heldOut: z.looseObject({ rewardMean: z.number() }),
});

/** Whether a policy takes the place of the best one: of equal ones the earlier stays. */
export function isBetter(candidate: Evaluation, best: Evaluation): boolean {
  return candidate.heldOut.rewardMean > best.heldOut.rewardMean;
}

/**
 * Replaces the best policy of a run.
 *
 * **Errors**: TRIB_FILE.
 */
export async function writeBest(runPath: string, { evaluation, adapter }: BestPolicy): Promise<void> {
  await writeDirectoryAtomic(join(runPath, BEST_FOLDER), {
    [policyFileName(adapter)]: adapter,
    [EVALUATION_FILE]: `${JSON.stringify(evaluation, null, 2)}\n`,
  });
}

/** Reads the best policy of a run; null where none is there, or where it cannot be read. */
export async function readBest(runPath: string): Promise<BestPolicy | null> {
  const read = (name: string) => readFile(join(runPath, BEST_FOLDER, name)).catch(() => null);
  const [adapter, text] = [
    (await read(ADAPTER_FILE)) ?? (await read(WEIGHTS_FILE)),
    await read(EVALUATION_FILE),
  ];
  if (adapter === null || text === null) return null;
  const evaluation = evaluationSchema.safeParse(parseJsonOrNull(text.toString('utf8')));
  return evaluation.success ? { adapter, evaluation: evaluation.data as unknown as Evaluation } : null;
}
