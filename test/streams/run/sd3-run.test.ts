/** @file Two rounds of a tiny SD 3.5, stopped after the first and resumed, with the steps and the loss of Flow-GRPO. */

import { join } from 'node:path';
import { expect, it } from 'vitest';
import { decodeLoraFile } from '../../../src/models/adapters/lora-file.js';
import { writeSd3Folder } from '../../fixtures/sd3-folder.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { adapterOf, eventsOf, roundsOf, runTiny, tinyConfig, UNGUARDED } from '../../fixtures/tiny-run.js';
import { snapshot } from '../../fixtures/undisturbed-tiny.js';

it('should train the joint attention, the same after a stop, and start at a ratio of 1', async () => {
  const own = await temporaryFolder();
  const model = await writeSd3Folder(join(own, 'sd3'));
  const overrides = [
    ...UNGUARDED,
    `model.pipeline=${model}`,
    'evaluation.verifier=none',
    'stages.reward={type: reward, from: jpeg-compressibility}',
    'stages.prompts.numRounds=2',
    'stages.prompts.groupsPerRound=2',
    'stages.prompts.runAhead=2',
    'evaluation.trainPrompts=1',
    'evaluation.imagesPerPrompt=1',
    'evaluation.everyRounds=2',
    'stages.sampler.sde=flow-grpo',
    'stages.sampler.eta=0.7',
    'stages.trainer.surrogate.type=grpo',
    'stages.trainer.gradientCheckpointing=blocks',
  ];
  const config = await tinyConfig(own, { overrides });
  const [whole, path] = [join(own, 'whole'), join(own, 'stopped')];
  let checkpoints = 0;
  const undisturbed = await runTiny({
    config,
    path: whole,
    onEvent: ({ kind }) => {
      if (kind === 'checkpoint' && ++checkpoints === 1) snapshot(whole, path);
    },
  });
  expect(undisturbed.error).toBeUndefined();
  expect(undisturbed.warnings).toEqual([]);
  const [first] = eventsOf(undisturbed, 'round');
  expect(first?.metrics.maxRatioDeviation).toBeLessThan(1e-5);
  const keys = decodeLoraFile(await adapterOf(whole), 'adapter').map(({ key }) => key);
  expect(keys).toContain('transformer.transformer_blocks.0.attn.add_q_proj');
  expect(keys).toHaveLength(15);

  const resumed = await runTiny({ config, path, resume: true });
  expect(roundsOf(resumed)).toEqual([1]);
  expect((await adapterOf(path)).equals(await adapterOf(whole))).toBe(true);
});
