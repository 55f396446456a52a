/** @file The presets for Stable Diffusion 1.5, each for two rounds on a tiny pipeline of the same layers. */

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeSafetensors } from '../../../src/models/files/safetensors.js';
import { loadTopology } from '../../../src/streams/config/load-topology.js';
import { stageOf } from '../../../src/streams/config/resolved/stage-of.js';
import { SD15_NAMES, sd15Overrides } from '../../fixtures/sd15-presets.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { adapterOf, eventsOf, runTiny } from '../../fixtures/tiny-run.js';

describe('a preset for Stable Diffusion 1.5', () => {
  it.each(SD15_NAMES)('should train for two rounds: %s', async (name) => {
    const folder = await temporaryFolder();
    const preset = `config/${name}.yaml`;
    const overrides = await sd15Overrides(name, folder, stageOf(await loadTopology(preset), 'prompts'));
    const config = await loadTopology(preset, overrides);
    const path = join(folder, 'run');
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
    const adapter = decodeSafetensors(await adapterOf(path), path).tensors;
    const moved = [...adapter].filter(([key]) => /lora_B|lora\.up/.test(key));
    expect(moved.length).toBeGreaterThan(0);
    expect(moved.every(([, { data }]) => Array.from(data, Number).some((value) => value !== 0))).toBe(true);
  });
});
