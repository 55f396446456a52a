/** @file Every preset but those of single algorithms on TensorFlow.js for two rounds. */

import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { loadTopology } from '../../../src/streams/config/load-topology.js';
import { stageOf } from '../../../src/streams/config/resolved/stage-of.js';
import { SD15_NAMES, sd15Overrides } from '../../fixtures/sd15-presets.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { expectTwoRounds, expectTwoShapesRounds, tinyShapesModels } from '../../fixtures/tfjs-presets.js';

/** Longest time of one, in milliseconds: wasm has one core, and the machine may be busy. */
const DEADLINE = 300_000;

let folder: string;
beforeAll(async () => {
  folder = await tinyShapesModels();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const SHAPES = readdirSync('config').filter((name) => /^(shapes-|demo|kafka).*\.yaml$/.test(name));

describe('a preset on TensorFlow.js', () => {
  it.each(SHAPES)(
    'should train for two rounds: %s',
    (name) => expectTwoShapesRounds(`config/${name}`, folder),
    DEADLINE,
  );

  it.each(SD15_NAMES)(
    'should train for two rounds: %s',
    async (name) => {
      const preset = `config/${name}.yaml`;
      const prompts = stageOf(await loadTopology(preset), 'prompts');
      await expectTwoRounds(preset, await sd15Overrides(name, await temporaryFolder(), prompts));
    },
    DEADLINE,
  );
});
