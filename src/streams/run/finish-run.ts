/** @file The end of a run: its adapter, pictures by it, and the outcome. */

import { policyFileName } from '../directory/checkpoint-files.js';
import type { RunDirectory } from '../directory/run-directory.js';
import type { Outcome, Say } from '../messages/run-events.js';
import type { OpenRun } from './open-run.js';
import { drawGrid } from './sample-grid.js';

interface FinishOptions extends Omit<Outcome, 'base' | 'tuned'> {
  readonly run: OpenRun;
  readonly runDirectory: RunDirectory;
  /** The newest evaluation. */
  readonly newest: Outcome['tuned'];
  /** False if the run was interrupted, and will be resumed. */
  readonly isWhole: boolean;
  readonly say: Say;
}

/**
 * Writes the adapter of the run: that of the last policy (or their moving average), or of the best one if a guard stopped the run. After a whole run it
 * also draws pictures and reports the outcome.
 *
 * Errors: TRIB_FILE if something cannot be written.
 */
export async function finishRun(options: FinishOptions): Promise<void> {
  const { run, runDirectory, newest, best, stoppedBy, isWhole, say } = options;
  const kept = stoppedBy && (await runDirectory.readBest());
  const { adapter } = kept ?? (await run.trainer.shipped(undefined));
  const path = await runDirectory.write(policyFileName(adapter), adapter);
  if (!isWhole) return;
  const tuned = kept ? kept.evaluation : newest;
  const parameters = await run.sampler.readPolicy(adapter, path);
  const policy = { version: tuned.round, parameters };
  await runDirectory.saveSamples(tuned.round, await drawGrid(run.sampler, policy, run.prompts));
  say({ kind: 'finished', base: run.base, tuned, best, stoppedBy });
}
