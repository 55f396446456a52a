/**
 * @file The presets for Stable Diffusion 1.5 on a tiny pipeline of the same layers: one of them for two rounds, and the reward
 * of each. What they train is compared in tfjs-presets-run.test.ts.
 */

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { at } from '../../../src/at.js';
import { decodeSafetensors } from '../../../src/models/files/safetensors.js';
import { openReward } from '../../../src/models/rewards/index.js';
import { loadTopology } from '../../../src/streams/config/load-topology.js';
import { scoringStages } from '../../../src/streams/config/resolved/reward-parts.js';
import { stageOf } from '../../../src/streams/config/resolved/stage-of.js';
import { treeRounds } from '../../../src/streams/directory/tree-files.js';
import { rewardContext, unaborted } from '../../fixtures/reward-context.js';
import { randomTensor } from '../../fixtures/run-model.js';
import { SD15_NAMES, type Sd15Preset, sd15Overrides } from '../../fixtures/sd15-presets.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { casesOf } from '../../fixtures/test-all.js';
import { colored } from '../../fixtures/tiny-clip.js';
import { adapterOf, eventsOf, runTiny } from '../../fixtures/tiny-run.js';

/** Of the tiny pipeline's pictures. */
const SHAPE = [3, 16, 16] as const;
/** Branches and a round of samples. Independent rollouts, replay and a value network: text-encoder-run.test.ts. */
const WHOLE = casesOf<Sd15Preset>(
  ['sd15-b2-branch'],
  ['sd15-dpok', 'sd15-b2-release', 'sd15-ddpo-aesthetic', 'sd15-ddpo-compressibility'],
);

async function smallConfig(name: Sd15Preset) {
  const preset = `config/${name}.yaml`;
  const prompts = stageOf(await loadTopology(preset), 'prompts');
  return loadTopology(preset, await sd15Overrides(name, await temporaryFolder(), prompts));
}

describe('a preset for Stable Diffusion 1.5', () => {
  it.each(WHOLE)('should train for two rounds: %s', async (name) => {
    const config = await smallConfig(name);
    const path = join(await temporaryFolder(), 'run');
    const run = await runTiny({ config, path });
    expect(run.error).toBeUndefined();
    const rounds = eventsOf(run, 'round').map(({ metrics }) => metrics);
    expect(rounds).toHaveLength(2);
    for (const round of rounds) {
      expect(round).toMatchObject({ groups: 4, lostGroups: 0, deadLetters: 0 });
      // Pictures differ, and so does what they earn.
      expect(round.rewardStd).toBeGreaterThan(0);
      expect(round.optimizerSteps).toBeGreaterThan(0);
      expect(round.gradNorm).toBeGreaterThan(0);
    }
    // What sampled is what is trained, rounding of stored latents included. Later, a replay holds older policies too.
    expect(rounds[0]?.maxRatioDeviation).toBeLessThan(1e-5);
    // The base model and the last policy.
    expect(eventsOf(run, 'evaluation')).toHaveLength(2);
    // Trees are decoded from latents; rollouts that share nothing have none.
    expect(await treeRounds(path)).toEqual(name.startsWith('sd15-b2') ? [0, 1] : []);
    const adapter = decodeSafetensors(await adapterOf(path), path).tensors;
    const moved = [...adapter].filter(([key]) => /lora_B|lora\.up/.test(key));
    expect(moved.length).toBeGreaterThan(0);
    expect(moved.every(([, { data }]) => Array.from(data, Number).some((value) => value !== 0))).toBe(true);
  });

  it.each(SD15_NAMES)('should tell pictures apart by its reward: %s', async (name) => {
    const config = await smallConfig(name);
    const { pipeline } = config.model;
    const scorer = await openReward(
      at(scoringStages(config), 0),
      rewardContext({ pipeline, imageShape: SHAPE }),
    );
    const images = [colored([255, 0, 30], SHAPE), randomTensor(1, SHAPE).data];
    const { rewards } = await scorer.score({ prompt: 'a cat', images }, unaborted());
    await scorer.close();
    expect(rewards.every(Number.isFinite)).toBe(true);
    expect(new Set(rewards).size).toBe(2);
  });
});
