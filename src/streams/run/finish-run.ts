/** @file The end of a run: the adapter that it leaves, pictures by it, and what came of it. */

import { policyFileName } from '../directory/checkpoint-files.js';
import type { RunDirectory } from '../directory/run-directory.js';
import type { Outcome } from '../messages/run-events.js';
import type { Say } from '../stages/shared/open-thread.js';
import type { OpenRun } from './open-run.js';
import { GRID_COLUMNS, GRID_SCALE, gridPrompts } from './sample-grid.js';

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
 * **Errors**: TRIB_FILE where something cannot be written.
 */
export async function finishRun(options: FinishOptions): Promise<void> {
  const { run, runDirectory, newest, best, stoppedBy, isWhole, say } = options;
  const kept = stoppedBy && (await runDirectory.readBest());
  const { adapter } = kept ?? (await run.trainer.save(undefined));
  const path = await runDirectory.write(policyFileName(adapter), adapter);
  if (!isWhole) return;
  const tuned = kept ? kept.evaluation : newest;
  const prompts = gridPrompts(run.prompts);
  const parameters = await run.sampler.readPolicy(adapter, path);
  const policy = { version: tuned.round, parameters };
  const png = await run.sampler.withPolicy(policy, (call) =>
    call.sampleGrid({ prompts, columns: GRID_COLUMNS, scale: GRID_SCALE }),
  );
  await runDirectory.saveSamples(tuned.round, { png, prompts });
  say({ kind: 'finished', base: run.base, tuned, best, stoppedBy });
}
