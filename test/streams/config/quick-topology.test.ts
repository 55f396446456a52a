import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { loadTopology } from '../../../src/streams/config/load-topology.js';
import { loadQuickTopology } from '../../../src/streams/config/quick-topology.js';
import { deriveSizes } from '../../../src/streams/config/resolved/derived-sizes.js';
import { stageOf } from '../../../src/streams/config/resolved/stage-of.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { SMALLEST } from './valid-config.js';

const PRESETS = ['config', 'config/algorithms'].flatMap((folder) =>
  readdirSync(folder)
    .filter((name) => /^(?!pretrain|study).*\.yaml$/.test(name))
    .map((name) => join(folder, name)),
);

describe('loadQuickTopology', () => {
  it.each(PRESETS)('should make a small config of %s, with its branches and steps', async (path) => {
    const [whole, { config }] = [await loadTopology(path), await loadQuickTopology(path, [])];
    const { numRounds, groupsPerRound } = stageOf(config, 'prompts');
    expect(numRounds).toBe(2);
    expect(groupsPerRound).toBeLessThanOrEqual(Math.max(4, stageOf(config, 'sampler').groupsPerBatch));
    const ofGroup = ({ imagesPerRound }: ReturnType<typeof deriveSizes>, groups: number) =>
      imagesPerRound / groups;
    expect(ofGroup(deriveSizes(config), groupsPerRound)).toBe(
      ofGroup(deriveSizes(whole), stageOf(whole, 'prompts').groupsPerRound),
    );
    expect(deriveSizes(config).optimizerStepsPerRound).toBeGreaterThan(0);
    expect(deriveSizes(config).imagesPerEvaluation).toBeLessThanOrEqual(8);
    expect(deriveSizes(config).trainedSteps.first).toEqual(deriveSizes(whole).trainedSteps.first);
    expect(config.transport.kind).toBe('in-process');
  });

  test('should say what it changed, and need neither a cluster nor prompts from outside', async () => {
    const path = join(await temporaryFolder(), 'mine.yaml');
    await writeFile(path, SMALLEST);
    const http = 'stages.prompts.source={from: topic, http: {port: 0}}';
    const { config, changes } = await loadQuickTopology(path, ['transport.kind=kafka', http]);
    expect(stageOf(config, 'prompts').source).toEqual({ from: 'file' });
    expect(changes).toContainEqual({ path: 'stages.prompts.groupsPerRound', left: '32', right: '4' });
    expect(changes).toContainEqual({ path: 'stages.prompts.plannedRounds', left: 'nothing', right: '24' });
    expect(changes).toContainEqual({ path: 'transport.kind', left: '"kafka"', right: '"in-process"' });
    expect(changes).toContainEqual({ path: 'guards.rewardCollapse.action', left: '"warn"', right: '"off"' });
    const places = changes.map(({ path: place }) => place);
    for (const kept of ['seed', 'guards.ratioDrift.action']) expect(places).not.toContain(kept);
  });

  test('should take as many groups as the settings need', async () => {
    const path = join(await temporaryFolder(), 'mine.yaml');
    await writeFile(path, SMALLEST);
    // Its rows divide a batch of 6 groups, and perhaps no smaller one.
    const { config } = await loadQuickTopology(path, [
      'stages.prompts.groupsPerRound=36',
      'stages.prompts.runAhead=36',
      'stages.sampler.groupsPerBatch=6',
      'stages.sampler.chunkSize=48',
    ]);
    expect(stageOf(config, 'prompts').groupsPerRound).toBe(6);
  });

  test('should report the faults of the config itself', async () => {
    const path = join(await temporaryFolder(), 'mine.yaml');
    await writeFile(path, SMALLEST.replace('name: tiny', 'nam: tiny'));
    await expect(loadQuickTopology(path, [])).rejects.toMatchObject({ code: 'TRIB_CONFIG' });
  });
});
