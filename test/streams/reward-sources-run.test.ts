/** @file Whole runs of the tiny pipeline with rewards of other sources than its own model. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { writeTinyClip } from '../fixtures/tiny-clip.js';
import { eventsOf, runTiny, tinyConfig } from '../fixtures/tiny-run.js';

async function runWith(folder: string, rewards: string) {
  const overrides = [
    `stages.rewards={type: scoreRewards, ${rewards}}`,
    'stages.prompts.numStages=1',
    'guards.rewardCollapse.action=off',
    'guards.zeroSpreadGroups.action=off',
  ];
  return runTiny({ config: await tinyConfig(folder, { overrides }), path: join(folder, 'run') });
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
    const [stage] = eventsOf(run, 'stage');
    expect(stage?.metrics).toMatchObject({ groups: 4, lostGroups: 0 });
    expect(stage?.metrics.rewardStd).toBeGreaterThan(0);
    // The CLIP has features of pictures.
    expect(eventsOf(run, 'evaluation')[0]?.evaluation.train.diversity).toBeGreaterThan(0);
  });

  it('should lose the group that a module fails at, aloud, and go on', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'reward.mjs');
    // The base model is scored first: three prompts. Then comes the stage.
    const source = `let calls = 0;
      export function score({ images }) {
        calls += 1;
        if (calls === 5) throw new Error('no idea');
        return images.map(({ data }) => data[0] / 255);
      }`;
    await writeFile(path, source);
    const run = await runWith(folder, `from: module, path: ${path}`);
    expect(run.error).toBeUndefined();
    const [stage] = eventsOf(run, 'stage');
    expect(stage?.metrics).toMatchObject({ groups: 3, lostGroups: 1 });
    expect(run.warnings).toEqual([
      expect.stringContaining(
        `reward module ${path}: expected score to return, got "Error: no idea". Correct the module.`,
      ),
    ]);
  });
});
