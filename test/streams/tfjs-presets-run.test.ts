/** @file Every preset on TensorFlow.js, sampler and trainer, for two training stages on tiny pipelines. */

import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Reparameterisation, reparameterise } from '../../src/models/shapes/reparameterise.js';
import { loadTopology } from '../../src/streams/config/load-topology.js';
import { stageOf } from '../../src/streams/config/stage-of.js';
import { SD15_NAMES, sd15Overrides } from '../fixtures/sd15-presets.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { writeTinyPipeline } from '../fixtures/tiny-pipeline.js';
import { adapterOf, eventsOf, runTiny } from '../fixtures/tiny-run.js';

const ON_TFJS = [
  'engine.sampler=tfjs',
  'engine.trainer=tfjs',
  'engine.tfjs.backends=[wasm]',
  'engine.threads=1',
];

const SMALL = [
  'transport.kind=in-process',
  'model.lora.rank=2',
  'stages.prompts.groupsPerStage=4',
  'stages.prompts.runAhead=4',
  'stages.prompts.numStages=2',
  'stages.sampler.groupsPerBatch=2',
  'stages.trainer.minibatchSize=4',
  'evaluation.trainPrompts=2',
  'evaluation.heldOutPrompts=1',
  'evaluation.imagesPerPrompt=2',
];
const REPLAY = ['capacity=24', 'updatesPerStage=2', 'transitionsPerUpdate=4'];

/** What is a preset's own among the overrides that make it small. */
function updatesOf(path: string): readonly string[] {
  const under = (fields: readonly string[]) => fields.map((field) => `stages.trainer.updates.${field}`);
  if (/algorithms\/dpok/.test(path)) return under(REPLAY);
  if (path.endsWith('/b2-ddpo-sf.yaml')) return under(['samplesPerUpdate=8']);
  if (path.endsWith('/ddpo-sf.yaml')) return under(['samplesPerUpdate=4']);
  if (path.endsWith('/iadd.yaml')) return [...under(['samplesPerUpdate=1']), 'stages.schedule.stages=[1, 2]'];
  return under(['samplesPerUpdate=1']);
}

const SHAPES = [
  ...readdirSync('config').filter((name) => /^(shapes-|demo|kafka).*\.yaml$/.test(name)),
  ...readdirSync('config/algorithms').map((name) => `algorithms/${name}`),
].map((name) => `config/${name}`);

/** The shapes model in other parameterisations, by the folders that presets name. */
const OTHER_FORMS: readonly (readonly [string, Reparameterisation])[] = [
  ['shapes-v', 'v_prediction'],
  ['shapes-flow', 'flow'],
];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tributary-presets-'));
  await writeTinyPipeline(join(folder, 'shapes'));
  for (const [name, as] of OTHER_FORMS) await reparameterise(join(folder, 'shapes'), as, join(folder, name));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Where the tiny form of a preset's pipeline lies: models/shapes, or one of its other parameterisations. */
async function pipelineOf(preset: string): Promise<string> {
  const { model } = await loadTopology(preset);
  return join(folder, model.pipeline.split('/').at(-1) ?? '');
}

async function expectTwoStages(preset: string, overrides: readonly string[]): Promise<void> {
  const config = await loadTopology(preset, [...overrides, ...ON_TFJS]);
  const path = join(await temporaryFolder(), 'run');
  const run = await runTiny({ config, path });
  expect(run.error).toBeUndefined();
  const providers = eventsOf(run, 'provider').map(({ stage, provider }) => [stage, provider]);
  expect(providers).toContainEqual(['sampler', 'tfjs-wasm']);
  expect(providers).toContainEqual(['trainer', 'tfjs-wasm']);
  const stages = eventsOf(run, 'stage').map(({ metrics }) => metrics);
  expect(stages).toHaveLength(2);
  for (const stage of stages) expect(stage).toMatchObject({ groups: 4, lostGroups: 0, deadLetters: 0 });
  // The sampler's graph, fused, and the trainer's, which is not, are one model: a step of the first stage has ratio 1.
  expect(stages[0]?.maxRatioDeviation).toBeLessThan(1e-4);
  expect((await adapterOf(path)).length).toBeGreaterThan(0);
}

describe('a preset on TensorFlow.js', () => {
  it.each(SHAPES)('should train for two stages: %s', async (preset) => {
    const pipeline = `model.pipeline=${await pipelineOf(preset)}`;
    await expectTwoStages(preset, [...SMALL, ...updatesOf(preset), pipeline]);
  });

  it.each(SD15_NAMES)('should train for two stages: %s', async (name) => {
    const preset = `config/${name}.yaml`;
    const prompts = stageOf(await loadTopology(preset), 'prompts');
    await expectTwoStages(preset, await sd15Overrides(name, await temporaryFolder(), prompts));
  });
});
