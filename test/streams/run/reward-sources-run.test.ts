/** @file Whole runs of the tiny pipeline with rewards of other sources than its own model. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { promptTexts } from '../../fixtures/listed-prompts.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { writeTinyClip } from '../../fixtures/tiny-clip.js';
import { writeTinyPipeline } from '../../fixtures/tiny-pipeline.js';
import { eventsOf, runTiny, tinyConfig } from '../../fixtures/tiny-run.js';

async function runWith(folder: string, rewards: string, others: readonly string[] = [], resume = false) {
  const overrides = [
    ...others,
    `stages.reward={type: reward, ${rewards}}`,
    'stages.prompts.numRounds=1',
    'guards.rewardCollapse.action=off',
    'guards.zeroSpreadGroups.action=off',
  ];
  return runTiny({ config: await tinyConfig(folder, { overrides }), path: join(folder, 'run'), resume });
}

describe('a run with rewards of several sources', () => {
  it('should train on the sum of a CLIP score and the size as JPEG', async () => {
    const folder = await temporaryFolder();
    const clip = await writeTinyClip(join(folder, 'clip'));
    const run = await runWith(
      folder,
      `from: sum, parts: { fit: { from: clip-score, model: ${clip}, weight: 2 }, size: { from: jpeg-compressibility, mean: -1, std: 0.1 } }`,
    );
    expect([run.error, run.warnings]).toEqual([undefined, []]);
    expect(eventsOf(run, 'provider').map(({ stage }) => stage)).toContain('reward');
    const [round] = eventsOf(run, 'round');
    expect(round?.metrics).toMatchObject({ groups: 4, lostGroups: 0 });
    expect(round?.metrics.rewardStd).toBeGreaterThan(0);
    // The CLIP has features of pictures.
    expect(eventsOf(run, 'evaluation')[0]?.evaluation.train.diversity).toBeGreaterThan(0);
  });

  it('should lose the group that a module fails at, go on, and hand the others their metadata', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'reward.mjs');
    // The base model is scored first: three prompts. Then comes the round.
    const source = `let calls = 0;
      export function score({ metadata, images }) {
        if (metadata.row < 1) throw new Error('no row');
        calls += 1;
        if (calls === 5) throw new Error('no idea');
        return images.map(({ data }) => data[0] / 255);
      }`;
    await writeFile(path, source);
    await writeTinyPipeline(join(folder, 'pipeline'), { reward: 'sound' });
    const lists = join(folder, 'pipeline', 'prompts');
    const write = async (name: string, weight: number) => {
      const texts = await promptTexts(join(lists, `${name}.txt`));
      const lines = texts.map((prompt, index) => JSON.stringify({ prompt, weight, row: index + 1 }));
      await writeFile(join(lists, `${name}.jsonl`), lines.join('\r'));
    };
    await write('train', 1);
    await write('held-out', 1);
    const others = ['train', 'held-out'].map(
      (name) => `stages.prompts.${name === 'train' ? 'train' : 'heldOut'}=${join(lists, `${name}.jsonl`)}`,
    );
    const run = await runWith(folder, `from: module, path: ${path}`, others);
    expect(run.error).toBeUndefined();
    const [round] = eventsOf(run, 'round');
    expect(round?.metrics).toMatchObject({ groups: 3, lostGroups: 1 });
    expect(run.warnings).toEqual([
      expect.stringContaining(
        `reward module ${path}: expected score to return, got "Error: no idea". Correct the module.`,
      ),
    ]);
    // The run ends with its first round; what it would go on with has changed.
    await write('train', 2);
    const resumed = await runWith(folder, `from: module, path: ${path}`, others, true);
    expect(resumed.error).toMatchObject({
      code: 'TRIB_CHECKPOINT',
      message: expect.stringContaining(`stages.prompts.train ${join(lists, 'train.jsonl')}: expected`),
    });
  });
});
