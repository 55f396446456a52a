/** @file A run that goes on from the adapter of another. */

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeLoraFile, encodeLoraFile } from '../../src/models/adapters/lora-file.js';
import {
  decodeSafetensors,
  encodeSafetensors,
  type SafetensorsTensor,
} from '../../src/models/adapters/safetensors.js';
import type { RunEvent } from '../../src/streams/run-events.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { type EndedRun, eventsOf, runTiny, tinyConfig } from '../fixtures/tiny-run.js';

const SETTINGS = [
  'guards.rewardCollapse.action=off',
  'guards.klToPretrained={threshold: 1e6, action: warn}',
  'stages.prompts.numStages=1',
  'stages.schedule={type: intervalSchedule, mode: constant, steps: 3}',
];
const WEIGHTS = 'diffusion_pytorch_model.safetensors';
const finished = ({ events }: EndedRun) =>
  events.find((event) => event.kind === 'finished') as Extract<RunEvent, { kind: 'finished' }>;
const firstKl = (run: EndedRun) => eventsOf(run, 'stage')[0]?.metrics.klToPretrained ?? Number.NaN;

describe('model.startFrom', () => {
  it('should start where the other run ended, with the pretrained model as reference', async () => {
    const folder = await temporaryFolder();
    const config = await tinyConfig(folder, { overrides: SETTINGS });
    const first = await runTiny({ config, path: join(folder, 'first') });
    const adapter = join(folder, 'first', 'pytorch_lora_weights.safetensors');
    const model = { ...config.model, startFrom: adapter };
    const second = await runTiny({ config: { ...config, model }, path: join(folder, 'second') });
    expect(second.error).toBeUndefined();
    expect(finished(second).base.train).toEqual(finished(first).tuned.train);
    // Every stage trains from the policy that it sampled: the pretrained model, and the adapter of the first run.
    expect(firstKl(first)).toBeGreaterThanOrEqual(0);
    expect(firstKl(second)).toBeGreaterThan(2 * firstKl(first));
  });

  it('should train convolutions and feed-forward layers, and go on from them in the style of kohya', async () => {
    const folder = await temporaryFolder();
    const pattern = 'attn[12]/to_|ff/net|resnets\\.0/conv1|downsamplers';
    const overrides = [...SETTINGS, `model.lora.pattern=${pattern}`];
    const config = await tinyConfig(folder, { overrides });
    const first = await runTiny({ config, path: join(folder, 'first') });
    expect(first.error).toBeUndefined();
    const adapter = join(folder, 'first', 'pytorch_lora_weights.safetensors');
    const layers = decodeLoraFile(await readFile(adapter), adapter);
    const kernels = layers.flatMap(({ kernel }) => (kernel ? [kernel] : []));
    expect(kernels.length).toBeGreaterThan(3);
    for (const { loraB } of layers) expect(loraB.some((value) => value !== 0)).toBe(true);
    const kohya = join(folder, 'kohya.safetensors');
    await writeFile(kohya, encodeLoraFile(layers, { format: 'kohya', dtype: 'fp32' }));
    const model = { ...config.model, startFrom: kohya };
    const second = await runTiny({ config: { ...config, model }, path: join(folder, 'second') });
    expect(second.error).toBeUndefined();
    expect(finished(second).base.train).toEqual(finished(first).tuned.train);
  });

  describe('with all weights', () => {
    const FULL = [...SETTINGS, 'model.train=full', 'stages.trainer.learningRate=1e-3'];

    it('should start where the other run ended, with the pretrained model as reference', async () => {
      const folder = await temporaryFolder();
      const config = await tinyConfig(folder, { overrides: FULL });
      const first = await runTiny({ config, path: join(folder, 'first') });
      expect(first.error).toBeUndefined();
      const weights = join(folder, 'first', WEIGHTS);
      const model = { ...config.model, startFrom: weights };
      const second = await runTiny({ config: { ...config, model }, path: join(folder, 'second') });
      expect(second.error).toBeUndefined();
      expect(finished(second).base.train).toEqual(finished(first).tuned.train);
      expect(finished(second).base.train).not.toEqual(finished(first).base.train);
      expect(firstKl(second)).toBeGreaterThan(2 * firstKl(first));
    });

    it.each<[about: string, spoil: (tensors: Map<string, SafetensorsTensor>) => void, message: string]>([
      [
        'that lack one',
        (tensors) => tensors.delete('conv_in.bias'),
        'weights: expected those of the model, got others for unet.conv_in.bias [8] (got none). Use weights',
      ],
      [
        'that know one more',
        (tensors) => tensors.set('conv_norm.weight', { dtype: 'F32', shape: [1], data: Float32Array.of(1) }),
        'weights: expected those of the model alone, got others beside: "unet.conv_norm.weight".',
      ],
    ])('should refuse weights %s', async (_, spoil, message) => {
      const folder = await temporaryFolder();
      const config = await tinyConfig(folder, { overrides: FULL });
      await runTiny({ config, path: join(folder, 'first') });
      const path = join(folder, 'first', WEIGHTS);
      const { tensors, metadata } = decodeSafetensors(await readFile(path), path);
      const edited = new Map(tensors);
      spoil(edited);
      await writeFile(path, encodeSafetensors({ tensors: edited, metadata }));
      const model = { ...config.model, startFrom: path };
      const { error } = await runTiny({ config: { ...config, model }, path: join(folder, 'second') });
      expect((error as Error).message).toContain(`${path}: ${message}`);
    });

    it('should refuse an adapter, and weights where an adapter is trained', async () => {
      const folder = await temporaryFolder();
      const [lora, full] = [
        await tinyConfig(folder, { overrides: SETTINGS }),
        await tinyConfig(folder, { overrides: FULL }),
      ];
      await runTiny({ config: lora, path: join(folder, 'lora') });
      await runTiny({ config: full, path: join(folder, 'full') });
      const [adapter, weights] = [
        join(folder, 'lora', 'pytorch_lora_weights.safetensors'),
        join(folder, 'full', WEIGHTS),
      ];
      const faultFrom = async (config: typeof lora, startFrom: string) => {
        const model = { ...config.model, startFrom };
        const { error } = await runTiny({ config: { ...config, model }, path: join(folder, 'other') });
        return (error as Error).message;
      };
      expect(await faultFrom(full, adapter)).toContain(
        `${adapter}: expected the weights of a UNet, as model.train: full trains them, got an adapter. Merge the adapter`,
      );
      expect(await faultFrom(lora, weights)).toContain(weights);
    });
  });

  it('should refuse an adapter with a rank of its own for a layer', async () => {
    const folder = await temporaryFolder();
    const config = await tinyConfig(folder, { overrides: SETTINGS });
    const path = join(folder, 'mixed.safetensors');
    const layer = (key: string, rank: number) => ({
      key,
      loraA: new Float32Array(rank * 16),
      loraB: new Float32Array(16 * rank),
      rank,
      alpha: 2,
    });
    await writeFile(path, encodeLoraFile([layer('unet.a', 2), layer('unet.b', 1)]));
    const model = { ...config.model, startFrom: path };
    const { error } = await runTiny({ config: { ...config, model }, path: join(folder, 'run') });
    expect((error as Error).message).toContain(
      `${path}: expected one rank and one alpha for all layers, got other ones for some of them.`,
    );
  });

  it.each([
    [
      { rank: 3 },
      'expected rank 3 and alpha 2 as model.lora says, got rank 2 and alpha 2. Set model.lora to rank 2 and alpha 2.',
    ],
    [
      { pattern: 'attn1/to_(q|k)' },
      'expected weights for the layers that model.lora.pattern names, got some for "',
    ],
  ])('should refuse an adapter of another kind: %j', async (lora, message) => {
    const folder = await temporaryFolder();
    const config = await tinyConfig(folder, { overrides: SETTINGS });
    await runTiny({ config, path: join(folder, 'first') });
    const adapter = join(folder, 'first', 'pytorch_lora_weights.safetensors');
    const model = { ...config.model, lora: { ...config.model.lora, ...lora }, startFrom: adapter };
    const { error } = await runTiny({ config: { ...config, model }, path: join(folder, 'second') });
    expect((error as Error).message).toContain(message);
    expect((error as Error).message).toContain(adapter);
  });
});
