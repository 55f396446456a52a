/** @file The end of a run: the adapter that it leaves, pictures by it, and what came of it. */

import { policyFileName } from '../directory/checkpoint-files.js';
import type { RunDirectory } from '../directory/run-directory.js';
import type { Outcome, Say } from '../messages/run-events.js';
import type { OpenRun } from './open-run.js';
import { drawGrid } from './sample-grid.js';

export interface FinishOptions extends Omit<Outcome, 'base' | 'tuned'> {
  readonly run: OpenRun;
  readonly runDirectory: RunDirectory;
  /** The newest evaluation. */
  readonly newest: Outcome['tuned'];
  /** False where the run was interrupted: it will go on. */
  readonly isWhole: boolean;
  readonly say: Say;
}

/**
 * Writes the adapter of the run: that of the last policy, or that of the best one where a guard stopped the run. After a whole
 * run also pictures by it, and says what came of it.
 *
 * Errors: TRIB_FILE where something cannot be written.
 */
export async function finishRun(options: FinishOptions): Promise<void> {
  const { run, runDirectory, newest, best, stoppedBy, isWhole, say } = options;
  const kept = stoppedBy && (await runDirectory.readBest());
  const { adapter } = kept ?? (await run.trainer.save(undefined));
  const path = await runDirectory.write(policyFileName(adapter), adapter);
  if (!isWhole) return;
  const tuned = kept ? kept.evaluation : newest;
  const parameters = await run.sampler.readPolicy(adapter, path);
  const policy = { version: tuned.round, parameters };
  await runDirectory.saveSamples(tuned.round, await drawGrid(run.sampler, policy, run.prompts));
  say({ kind: 'finished', base: run.base, tuned, best, stoppedBy });
}
