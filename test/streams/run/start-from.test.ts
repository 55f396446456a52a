/** @file A run that goes on from the adapter of another; that of all weights is in full-tuning-run.test.ts. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { decodeLoraFile, encodeLoraFile } from '../../../src/models/adapters/lora-file.js';
import type { RunEvent } from '../../../src/streams/messages/run-events.js';
import { startTrainer } from '../../../src/streams/stages/trainer/client.js';
import { startingParameters } from '../../../src/streams/stages/trainer/starting-parameters.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { adapterOf, type EndedRun, eventsOf, runTiny, tinyConfig } from '../../fixtures/tiny-run.js';

const SETTINGS = [
  'guards.rewardCollapse.action=off',
  'guards.klToPretrained={threshold: 1e6, action: warn}',
  'stages.prompts.numRounds=1',
  'stages.schedule={type: schedule, mode: constant, steps: 3}',
  // Attention, feed-forward layers and convolutions.
  'model.lora.pattern=attn[12]/to_|ff/net|resnets\\.0/conv1|downsamplers',
];

const finished = ({ events }: EndedRun) =>
  events.find((event) => event.kind === 'finished') as Extract<RunEvent, { kind: 'finished' }>;
const firstKl = (run: EndedRun) => eventsOf(run, 'round')[0]?.metrics.klToPretrained ?? Number.NaN;

it('should start where the other run ended, in either style of file, with the pretrained model as reference', async () => {
  const folder = await temporaryFolder();
  const config = await tinyConfig(folder, { overrides: SETTINGS });
  const first = await runTiny({ config, path: join(folder, 'first') });
  expect(first.error).toBeUndefined();
  const file = join(folder, 'first', 'pytorch_lora_weights.safetensors');
  const layers = decodeLoraFile(await adapterOf(join(folder, 'first')), file);
  const kernels = layers.flatMap(({ kernel }) => (kernel ? [kernel] : []));
  expect(kernels.length).toBeGreaterThan(3);
  for (const { loraB } of layers) expect(loraB.some((value) => value !== 0)).toBe(true);

  const kohya = join(folder, 'kohya.safetensors');
  await writeFile(kohya, encodeLoraFile(layers, { format: 'kohya', dtype: 'fp32' }));
  const adapters = layers.map(({ key, loraA, loraB, rank, kernel }) => ({
    layer: key.slice('unet.'.length),
    inFeatures: loraA.length / rank / (kernel ? kernel[0] * kernel[1] : 1),
    outFeatures: loraB.length / rank,
    inputA: `${key}.A`,
    inputB: `${key}.B`,
    ...(kernel && { kernel }),
  }));
  const read = async (place: string) =>
    (await startingParameters(place, { component: 'unet', adapters, weights: [] }, config.model.lora))
      .parameters;
  const parameters = await read(file);
  expect(Object.keys(parameters)).toHaveLength(2 * layers.length);
  expect(await read(kohya)).toEqual(parameters);

  const model = { ...config.model, startFrom: kohya };
  const second = await runTiny({ config: { ...config, model }, path: join(folder, 'second') });
  expect(second.error).toBeUndefined();
  expect(finished(second).base.train).toEqual(finished(first).tuned.train);
  expect(finished(second).base.train).not.toEqual(finished(first).base.train);
  // Every round trains from the policy that it sampled: the pretrained model, and the adapter of the first run.
  expect(firstKl(first)).toBeGreaterThanOrEqual(0);
  expect(firstKl(second)).toBeGreaterThan(2 * firstKl(first));

  // Which files are refused, and how, is tested where they are read; here it is what the thread does with it.
  const other = { ...model, lora: { ...model.lora, rank: 3 } };
  expect(
    await faultOf(() => startTrainer({ ...config, model: other }, () => {}, { resumed: false })),
  ).toEqual([
    'TRIB_LORA',
    `${kohya}: expected rank 3 and alpha 2 as model.lora says, got rank 2 and alpha 2. Set model.lora to rank 2 and alpha 2.`,
  ]);
});
