/** @file The demo as a small one: branches, a growing interval, and a model that follows its prompts better. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lastValueFrom, toArray } from 'rxjs';
import { expect, it } from 'vitest';
import { loadTopology, train } from '../../../src/library/index.js';
import { promptTexts } from '../../fixtures/listed-prompts.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

it('should teach the shapes model to follow twelve prompts better, in a twelfth of the demo', async () => {
  const folder = await temporaryFolder();
  const prompts = await promptTexts('models/shapes/prompts/train.txt');
  const some = prompts.filter((_, index) => index % 6 === 0);
  await writeFile(join(folder, 'some.txt'), some.join('\n'));
  const topology = await loadTopology('config/demo.yaml', [
    `stages.prompts.train=${join(folder, 'some.txt')}`,
    'stages.prompts.groupsPerRound=12',
    'stages.prompts.runAhead=12',
    'stages.prompts.numRounds=16',
    'stages.sampler.groupsPerBatch=6',
    'stages.trainer.updates.samplesPerUpdate=48',
    'stages.trainer.learningRate=1e-2',
    'evaluation.everyRounds=16',
    'evaluation.trainPrompts=12',
    'evaluation.heldOutPrompts=1',
  ]);
  const events = await lastValueFrom(train(topology, { runDirectory: join(folder, 'run') }).pipe(toArray()));
  const [base, tuned] = events.flatMap((event) =>
    event.kind === 'evaluation' ? [event.evaluation.train] : [],
  );
  // Here by 0.027 and 0.061; the same pictures' noise before and after.
  expect(tuned?.rewardMean).toBeGreaterThan((base?.rewardMean ?? Number.NaN) + 0.015);
  expect(tuned?.verifierScore).toBeGreaterThan((base?.verifierScore ?? Number.NaN) + 0.03);
});
