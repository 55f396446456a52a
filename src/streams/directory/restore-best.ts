/** @file Rebuilds a damaged `best/` of a resumed run from what the run still has. */

import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TributaryError } from '../../errors.js';
import { writeFault } from '../../models/files/atomic.js';
import { decodePolicy } from '../../models/policy/policy-file.js';
import type { Evaluation } from '../messages/run-events.js';
import {
  BEST_FOLDER,
  type BestPolicy,
  type FoundBest,
  findBest,
  isBetter,
  writeBest,
} from './best-policy.js';

interface RestoreBestOptions {
  readonly runPath: string;
  /** Whole evaluations in the log, including those of rounds that a resumed run will repeat. */
  readonly evaluations: readonly Evaluation[];
  /** The base model. */
  readonly base: BestPolicy;
  /** The policy of the checkpoint after so many rounds; null if there is no whole one. */
  readonly policyAfter: (completeRounds: number) => Promise<Uint8Array | null>;
  readonly warn: (message: string) => void;
}

/**
 * Returns the best policy of a run. If only its figures are damaged, they are restored from the best evaluation in the log,
 * which is of this policy: `best/` is written just after the line. If the policy is damaged, the folder is moved to
 * `best.damaged`, and the best policy that a checkpoint still holds takes its place.
 *
 * Errors: TRIB_FILE.
 */
export async function restoreBest(options: RestoreBestOptions): Promise<BestPolicy> {
  const { runPath, evaluations, base, policyAfter, warn } = options;
  const path = join(runPath, BEST_FOLDER);
  const found = await findWhole(path);
  if (found.state === 'whole') return found.best;
  const ranked = [base.evaluation, ...evaluations].reduce<Evaluation[]>((ranking, evaluation) => {
    const place = ranking.findIndex((better) => isBetter(evaluation, better));
    return ranking.toSpliced(place === -1 ? ranking.length : place, 0, evaluation);
  }, []);
  const [logged = base.evaluation] = ranked;
  const got = found.state === 'absent' ? 'none' : found.damage;
  const expected = `${path}: expected the best policy so far, got ${got}.`;
  if (found.state === 'damaged' && found.adapter !== null) {
    const best = { evaluation: logged, adapter: found.adapter };
    await writeBest(runPath, best);
    warn(`${expected} Its figures are restored from the log: those after ${logged.round} rounds.`);
    return best;
  }
  const aside = `${path}.damaged`;
  if (found.state === 'damaged') await moveAside(path, aside);
  const best = await bestOf(ranked, base, policyAfter);
  await writeBest(runPath, best);
  const kept = found.state === 'damaged' ? ` What was there is in ${aside}.` : '';
  warn(
    `${expected} The one after ${best.evaluation.round} rounds takes its place, the best that is left; the best in the log is that after ${logged.round}.${kept}`,
  );
  return best;
}

/** Like `findBest`, but a policy that cannot be decoded is damaged. */
async function findWhole(path: string): Promise<FoundBest> {
  const found = await findBest(path);
  const adapter = found.state === 'whole' ? found.best.adapter : found.state === 'damaged' && found.adapter;
  if (!adapter) return found;
  try {
    decodePolicy(adapter, path);
    return found;
  } catch (error) {
    if (!(error instanceof TributaryError)) throw error;
    return { state: 'damaged', damage: 'a policy that cannot be read', adapter: null };
  }
}

/** The first in the ranking whose policy still exists. */
async function bestOf(
  ranked: readonly Evaluation[],
  base: BestPolicy,
  policyAfter: RestoreBestOptions['policyAfter'],
): Promise<BestPolicy> {
  for (const evaluation of ranked) {
    if (evaluation.round === 0) return base;
    const adapter = await policyAfter(evaluation.round);
    if (adapter) return { evaluation, adapter };
  }
  return base;
}

async function moveAside(path: string, aside: string): Promise<void> {
  try {
    await rm(aside, { recursive: true, force: true });
    await rename(path, aside);
  } catch (cause) {
    throw writeFault(aside, cause);
  }
}
