/** @file Every preset on TensorFlow.js: what it trains on agrees with onnxruntime, and two of them run whole. */

import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { createTfjsEngine } from '../../../src/models/engines/tfjs/engine.js';
import { openPipeline, type Pipeline } from '../../../src/models/pipeline/pipeline.js';
import type { PolicyGraphSettings } from '../../../src/models/policy/policy-graph.js';
import { loadTopology } from '../../../src/streams/config/load-topology.js';
import { stageOf } from '../../../src/streams/config/resolved/stage-of.js';
import {
  expectAgreement,
  type Sampled,
  sampleFor,
  samplingFor,
  unoptimized,
} from '../../fixtures/engine-agreement.js';
import { TINY_LORA, TINY_TRAINER } from '../../fixtures/open-tiny.js';
import { SD15_NAMES, type Sd15Preset, sd15Overrides } from '../../fixtures/sd15-presets.js';
import { sharedEngine, withSharedAnalysis } from '../../fixtures/shared-engine.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { casesOf } from '../../fixtures/test-all.js';
import { RUN_BACKEND } from '../../fixtures/tfjs-backends.js';
import {
  expectTwoRounds,
  expectTwoShapesRounds,
  pipelineOf,
  tinyShapesModels,
} from '../../fixtures/tfjs-presets.js';

/** Longest time of one, in milliseconds: wasm has one core, and the machine may be busy. */
const DEADLINE = 300_000;

const SHAPES = [
  ...readdirSync('config').filter((name) => /^(shapes-|demo|kafka).*\.yaml$/.test(name)),
  ...readdirSync('config/algorithms').map((name) => `algorithms/${name}`),
];
const SD15 = SD15_NAMES.map((name) => `${name}.yaml`);

let folder: string;
let onnxRuntime: Engine;
let tfjs: Engine;
beforeAll(async () => {
  folder = await tinyShapesModels();
  onnxRuntime = unoptimized(sharedEngine());
  tfjs = withSharedAnalysis(createTfjsEngine({ backends: [RUN_BACKEND], threads: 1, gradients: 'tape' }));
});
afterAll(async () => {
  await tfjs.close();
  await onnxRuntime.close();
  await rm(folder, { recursive: true, force: true });
});

const once = <Value>(make: (key: string) => Value) => {
  const made = new Map<string, Value>();
  return (key: string): Value => {
    const value = made.get(key) ?? make(key);
    made.set(key, value);
    return value;
  };
};

describe('what a preset trains on TensorFlow.js', () => {
  const opened = once((name: string) => openPipeline(onnxRuntime, join(folder, name)));
  const compared = new Map<string, Promise<void>>();
  const sampled = new Map<string, Promise<Sampled>>();

  async function settingsOf(preset: string): Promise<PolicyGraphSettings> {
    const config = await loadTopology(preset);
    const { model, guards } = config;
    const { surrogate, gradientCheckpointing } = stageOf(config, 'trainer');
    return {
      ...TINY_TRAINER,
      lora: TINY_LORA,
      surrogate,
      guidanceScale: stageOf(config, 'sampler').guidanceScale,
      measureKl: guards.klToPretrained.action !== 'off',
      gradientCheckpointing,
      precision: model.precision,
    };
  }
  const pipelineNameOf = async (preset: string) =>
    /sd15/.test(preset) ? 'shapes' : ((await pipelineOf(preset, folder)).split('/').at(-1) ?? '');

  async function compare(pipeline: Pipeline, name: string, settings: PolicyGraphSettings) {
    const reference = { engine: onnxRuntime, pipeline, close: async () => undefined };
    const key = JSON.stringify([name, samplingFor(settings)]);
    const round = sampled.get(key) ?? sampleFor(reference, settings);
    sampled.set(key, round);
    await expectAgreement({
      reference,
      found: { ...reference, engine: tfjs },
      sampled: await round,
      settings,
    });
  }

  it.each([...SHAPES, ...SD15])(
    'should have the gradients that it has on onnxruntime: %s',
    async (file) => {
      const preset = `config/${file}`;
      const name = await pipelineNameOf(preset);
      const pipeline = await opened(name);
      const settings = await settingsOf(preset);
      // All that the graph depends on: presets that differ in nothing of it share what was found.
      const key = JSON.stringify([name, settings]);
      const comparison = compared.get(key) ?? compare(pipeline, name, settings);
      compared.set(key, comparison);
      await comparison;
    },
    DEADLINE,
  );

  it('should be one of a few graphs', () => {
    expect(compared.size).toBeGreaterThan(10);
  });
});

/** As many as ON_TFJS has. */
const fewSteps = (name: Sd15Preset) =>
  name.startsWith('sd15-b2')
    ? ['stages.schedule.first=1', 'stages.schedule.last=2']
    : ['stages.schedule.steps=2'];

describe('a preset on TensorFlow.js', () => {
  it(
    'should train for two rounds: shapes-b2-branch',
    () => expectTwoShapesRounds('config/shapes-b2-branch.yaml', folder),
    DEADLINE,
  );

  it.each(casesOf<Sd15Preset>(['sd15-dpok'], ['sd15-b2-branch']))(
    'should train for two rounds: %s',
    async (name) => {
      const preset = `config/${name}.yaml`;
      const prompts = stageOf(await loadTopology(preset), 'prompts');
      await expectTwoRounds(preset, [
        ...(await sd15Overrides(name, await temporaryFolder(), prompts)),
        ...fewSteps(name),
      ]);
    },
    DEADLINE,
  );
});
