/** @file A model whose scheduler arrives at the clean picture: its last step is sampled and never trained. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { ResolvedConfig } from '../../../src/streams/config/schema/topology-schema.js';
import { readModelFacts } from '../../../src/streams/run/read-model-facts.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { eventsOf, runTiny, tinyConfig, UNGUARDED } from '../../fixtures/tiny-run.js';

/** The tiny model with other keys of its scheduler's config. */
async function tinyWith(changes: object, overrides: readonly string[] = []): Promise<ResolvedConfig> {
  const config = await tinyConfig(await temporaryFolder(), { overrides: [...UNGUARDED, ...overrides] });
  const path = join(config.model.pipeline, 'scheduler', 'scheduler_config.json');
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), ...changes }));
  return config;
}

it('should read from the model how many steps draw noise, and take all where it is not there', async () => {
  const plain = await tinyWith({});
  const { numInferenceSteps } = plain.stages.sampler as unknown as { numInferenceSteps: number };
  const noisySteps = numInferenceSteps;
  expect(await readModelFacts(plain)).toEqual({ noisySteps, takesScale: false });
  const config = await tinyWith({ set_alpha_to_one: true });
  expect(await readModelFacts(config)).toEqual({ noisySteps: noisySteps - 1, takesScale: false });
  const pictures = ['stages.sampler.guidanceScale=1', 'stages.trainer.surrogate={type: sft}'];
  const noised = await tinyWith({ set_alpha_to_one: true }, pictures);
  expect(await readModelFacts(noised)).toEqual({ takesScale: false });
  await rm(config.model.pipeline, { recursive: true });
  expect(await readModelFacts(config)).toBeUndefined();
});

it('should train an interval of s steps at s - 1 of them, and say so at the start', async () => {
  const config = await tinyWith({ set_alpha_to_one: true }, [
    'stages.prompts.numRounds=1',
    'evaluation.verifier=none',
    'evaluation.imagesPerPrompt=1',
    'stages.schedule={type: schedule, mode: constant, steps: 3}',
  ]);
  const steps = (config.stages.sampler as unknown as { numInferenceSteps: number }).numInferenceSteps;
  const ended = await runTiny({ config, path: join(await temporaryFolder(), 'run') });
  expect(ended.error).toBeUndefined();
  const [started] = eventsOf(ended, 'started');
  expect(Object.fromEntries(started?.description ?? [])['trained steps']).toContain(
    `2: the last 3 of ${steps}`,
  );
  for (const { trainedSteps } of eventsOf(ended, 'progress'))
    expect(trainedSteps).toEqual([steps - 3, steps - 2]);
  const [round] = eventsOf(ended, 'round');
  expect(round?.metrics.trainedSteps).toEqual([steps - 3, steps - 2]);
  expect(round?.metrics.maxRatioDeviation).toBeLessThan(1);
});

it('should refuse a run whose rounds train the last step alone, before anything is opened', async () => {
  const config = await tinyWith({ set_alpha_to_one: true }, [
    'stages.schedule={type: schedule, mode: constant, steps: 1}',
  ]);
  const ended = await runTiny({ config, path: join(await temporaryFolder(), 'run') });
  expect(ended.error).toMatchObject({
    code: 'TRIB_CONFIG',
    message: expect.stringContaining('stages.schedule.mode: expected a step that draws noise in every round'),
  });
  expect(ended.events).toEqual([]);
});
