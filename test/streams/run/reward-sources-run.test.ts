/** @file A whole run of the tiny pipeline with rewards of other sources than its own model. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { promptTexts } from '../../fixtures/listed-prompts.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { writeTinyClip } from '../../fixtures/tiny-clip.js';
import { writeTinyPipeline } from '../../fixtures/tiny-pipeline.js';
import { eventsOf, runTiny, tinyConfig } from '../../fixtures/tiny-run.js';

/** The base model is scored first: three prompts. Then comes the round. */
const MODULE = `let calls = 0;
  export function score({ metadata, images }) {
    if (metadata.row < 1) throw new Error('no row');
    calls += 1;
    if (calls === 5) throw new Error('no idea');
    return images.map(({ data }) => data[0] / 255);
  }`;

it('should train on a sum of a CLIP score, the size as JPEG and a module, and lose the group that this fails at', async () => {
  const folder = await temporaryFolder();
  const path = join(folder, 'reward.mjs');
  await writeFile(path, MODULE);
  const clip = await writeTinyClip(join(folder, 'clip'));
  await writeTinyPipeline(join(folder, 'pipeline'), { reward: 'sound' });
  const lists = join(folder, 'pipeline', 'prompts');
  const write = async (name: string, weight: number) => {
    const texts = await promptTexts(join(lists, `${name}.txt`));
    const lines = texts.map((prompt, index) => JSON.stringify({ prompt, weight, row: index + 1 }));
    await writeFile(join(lists, `${name}.jsonl`), lines.join('\r'));
  };
  await write('train', 1);
  await write('held-out', 1);
  const parts = [
    `fit: { from: clip-score, model: ${clip}, weight: 2 }`,
    'size: { from: jpeg-compressibility, mean: -1, std: 0.1 }',
    `own: { from: module, path: ${path} }`,
  ];
  const config = await tinyConfig(folder, {
    overrides: [
      `stages.reward={type: reward, from: sum, parts: { ${parts.join(', ')} }}`,
      `stages.prompts.train=${join(lists, 'train.jsonl')}`,
      `stages.prompts.heldOut=${join(lists, 'held-out.jsonl')}`,
      'stages.prompts.numRounds=1',
      'evaluation.gold={ weight: { from: jpeg-incompressibility } }',
      'guards.pictureDrift={ action: warn, threshold: 1000 }',
      'guards.rewardCollapse.action=off',
      'guards.zeroSpreadGroups.action=off',
    ],
  });
  const options = { config, path: join(folder, 'run') };
  const run = await runTiny(options);
  expect(run.error).toBeUndefined();
  expect(eventsOf(run, 'provider').map(({ stage }) => stage)).toContain('reward');
  const [round] = eventsOf(run, 'round');
  expect(round?.metrics).toMatchObject({ groups: 3, lostGroups: 1 });
  expect(round?.metrics.rewardStd).toBeGreaterThan(0);
  for (const { evaluation } of eventsOf(run, 'evaluation')) {
    const { gold, pictures } = evaluation.heldOut;
    expect(pictures?.jpegKilobytes.mean).toBeCloseTo(gold?.weight?.mean ?? 0, 9);
    expect(pictures?.brightness.mean).toBeGreaterThan(0);
    expect(gold?.weight?.mean).toBeGreaterThan(0.1);
    expect(gold?.weight?.mean).toBeLessThan(10);
  }
  // The CLIP has features of pictures.
  expect(eventsOf(run, 'evaluation')[0]?.evaluation.train.diversity).toBeGreaterThan(0);
  // The others got their metadata, without which the module fails.
  expect(run.warnings).toEqual([
    expect.stringContaining(
      `reward module ${path}: expected score to return, got "Error: no idea". Correct the module.`,
    ),
  ]);
  // The run ends with its first round; what it would go on with has changed.
  await write('train', 2);
  const resumed = await runTiny({ ...options, resume: true });
  expect(resumed.error).toMatchObject({
    code: 'TRIB_CHECKPOINT',
    message: expect.stringContaining(`stages.prompts.train ${join(lists, 'train.jsonl')}: expected`),
  });
});
