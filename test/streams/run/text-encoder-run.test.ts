/**
 * @file DPOK on a tiny Stable Diffusion that takes the guidance scale (LCM), with LoRA of its text encoder: replay, value
 * network, and KL to the frozen model.
 */

import { join } from 'node:path';
import { expect, it } from 'vitest';
import { decodeLoraFile } from '../../../src/models/adapters/lora-file.js';
import { loadTopology } from '../../../src/streams/config/load-topology.js';
import { stageOf } from '../../../src/streams/config/resolved/stage-of.js';
import { findFileFaults } from '../../../src/streams/run/file-faults.js';
import { startingParameters } from '../../../src/streams/stages/trainer/starting-parameters.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { folderWith, otherInputs } from '../../fixtures/other-inputs.js';
import { sd15Overrides } from '../../fixtures/sd15-presets.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { RUNS_ALL } from '../../fixtures/test-all.js';
import { adapterOf, eventsOf, metricsOf, runTiny, tinyConfig } from '../../fixtures/tiny-run.js';
import { snapshot } from '../../fixtures/undisturbed-tiny.js';

const PRESET = 'config/sd15-dpok.yaml';
const TEXT_LAYERS = 'self_attn/(q|k|v|out)_proj';

it('should train both adapters from a ratio of 1, and go on from a checkpoint to the same bytes', async () => {
  const folder = await temporaryFolder();
  const prompts = stageOf(await loadTopology(PRESET), 'prompts');
  const config = await loadTopology(PRESET, [
    ...(await sd15Overrides('sd15-dpok', folder, prompts)),
    `model.pipeline=${await folderWith(otherInputs('guidance scale'))}`,
    `model.lora.textEncoder=${TEXT_LAYERS}`,
    'checkpoints.everyRounds=1',
  ]);
  const [path, copy] = [join(folder, 'run'), join(folder, 'copy')];
  let checkpoints = 0;
  const run = await runTiny({
    config,
    path,
    onEvent: ({ kind }) => {
      if (kind === 'checkpoint' && ++checkpoints === 1) snapshot(path, copy);
    },
  });
  expect(run.error).toBeUndefined();
  const [first, second] = eventsOf(run, 'round').map(({ metrics }) => metrics);
  for (const round of [first, second]) {
    expect(round).toMatchObject({ groups: 4, lostGroups: 0, deadLetters: 0 });
    expect(round?.rewardStd).toBeGreaterThan(0);
    expect(round?.gradNorm).toBeGreaterThan(0);
    // Four trajectories of four steps; two updates of four transitions. Nothing runs twice.
    expect(round?.networkRows).toEqual({ sampling: 16, training: 8 });
  }
  expect(first?.maxRatioDeviation).toBeLessThan(1e-5);
  // The policy leaves the model whose encoder is frozen.
  expect(first?.klToPretrained).toBeLessThan(second?.klToPretrained ?? 0);

  const layers = decodeLoraFile(await adapterOf(path), path);
  for (const { key, loraB } of layers)
    expect(
      loraB.some((value) => value !== 0),
      key,
    ).toBe(true);
  // Four projections of three layers.
  expect(layers.filter(({ key }) => key.startsWith('text_encoder.text_model.encoder.layers.'))).toHaveLength(
    12,
  );

  if (RUNS_ALL) {
    const resumed = await runTiny({ config, path: copy, resume: true });
    expect(resumed.error).toBeUndefined();
    expect(eventsOf(resumed, 'round').map(({ metrics }) => metrics.round)).toEqual([1]);
    expect((await adapterOf(copy)).equals(await adapterOf(path))).toBe(true);
    expect(await metricsOf(copy)).toEqual(await metricsOf(path));
  }

  // Another run goes on from it only where it trains the same layers.
  const adapters = layers.map(({ key, loraA, loraB, rank }) => ({
    layer: key.replace(/^unet\./, ''),
    ...{ inFeatures: loraA.length / rank, outFeatures: loraB.length / rank },
    ...{ inputA: `${key}.A`, inputB: `${key}.B` },
  }));
  const ofUnet = adapters.filter(({ layer }) => !layer.startsWith('text_encoder.'));
  const startWith = (some: typeof adapters) =>
    startingParameters(path, { component: 'unet', adapters: some, weights: [] }, config.model.lora);
  const { parameters } = await startWith(adapters);
  expect(Object.keys(parameters)).toHaveLength(2 * adapters.length);
  expect((await faultOf(() => startWith(ofUnet)))[1]).toContain(
    'expected only layers that are trained, got 12 of text encoders that are not',
  );
  const wider = { ...(adapters[0] as (typeof adapters)[0]), layer: 'text_encoder.text_model.other' };
  expect((await faultOf(() => startWith([...adapters, wider])))[1]).toContain(
    'expected weights for the layers that model.lora.pattern and model.lora.textEncoder name, got none for "text_encoder.text_model.other"',
  );
});

it('should be refused by lint where the text encoder is a graph in ONNX form', async () => {
  const config = await tinyConfig(await temporaryFolder(), {
    overrides: [`model.lora.textEncoder=${TEXT_LAYERS}`],
  });
  const file = { path: ['model', 'pipeline'], name: config.model.pipeline, leadsTo: 'either' } as const;
  const faults = await findFileFaults([file], config);
  const [fault] = faults.get('model.pipeline') ?? [];
  expect(fault?.path).toEqual(['model', 'lora', 'textEncoder']);
  expect(fault?.got).toContain(
    'text_encoder/model.onnx: expected a CLIP text encoder in safetensors, which model.lora.textEncoder can adapt, got a graph in ONNX form.',
  );
});
