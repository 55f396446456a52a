/** @file Every algorithm's preset on TensorFlow.js for two rounds. */

import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { expectTwoShapesRounds, tinyShapesModels } from '../../fixtures/tfjs-presets.js';

/** Longest time of one, in milliseconds: wasm has one core, and the machine may be busy. */
const DEADLINE = 300_000;

let folder: string;
beforeAll(async () => {
  folder = await tinyShapesModels();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('an algorithm on TensorFlow.js', () => {
  it.each(readdirSync('config/algorithms'))(
    'should train for two rounds: %s',
    (name) => expectTwoShapesRounds(`config/algorithms/${name}`, folder),
    DEADLINE,
  );
});
