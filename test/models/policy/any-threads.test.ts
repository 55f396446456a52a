/** @file A rollout and an optimizer step do not depend on how many threads compute them. */

import { describe, expect, it, onTestFinished } from 'vitest';
import { openTiny, openTinyTrainer, stepsFrom } from '../../fixtures/open-tiny.js';
import { sampleTiny, stageOf } from '../../fixtures/sample-tiny.js';

const TRAINED_STEPS = stepsFrom(3);

async function roundWith(threads: number) {
  const opened = await openTiny({ threads });
  onTestFinished(() => opened.close());
  const { samples, state } = await sampleTiny(opened, {}, TRAINED_STEPS, 0.1);
  // Rows of an update make several runs, the last of which is not full.
  const trainer = await openTinyTrainer(opened, { minibatchSize: 5 });
  const trained = await trainer.train(stageOf(samples, { trainedSteps: TRAINED_STEPS }), state);
  return { samples, trained };
}

describe('a round', () => {
  it('should give the same bytes on one, two and three threads', async () => {
    const alone = await roundWith(1);
    expect(alone.trained.statistics.optimizerSteps).toBe(1);
    expect(await roundWith(2)).toEqual(alone);
    expect(await roundWith(3)).toEqual(alone);
  });
});
