/** @file A run that goes on from the adapter of another. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { decodeLoraFile, encodeLoraFile } from '../../../src/models/adapters/lora-file.js';
import {
  decodeSafetensors,
  encodeSafetensors,
  type SafetensorsTensor,
} from '../../../src/models/files/safetensors.js';
import type { ResolvedConfig } from '../../../src/streams/config/schema/topology-schema.js';
import type { RunEvent } from '../../../src/streams/messages/run-events.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { type EndedRun, eventsOf, runTiny, tinyConfig } from '../../fixtures/tiny-run.js';

const SETTINGS = [
  'guards.rewardCollapse.action=off',
  'guards.klToPretrained={threshold: 1e6, action: warn}',
  'stages.prompts.numRounds=1',
  'stages.schedule={type: schedule, mode: constant, steps: 3}',
];
const FULL = [...SETTINGS, 'model.train=full', 'stages.trainer.learningRate=1e-3'];
const ADAPTER = 'pytorch_lora_weights.safetensors';
const WEIGHTS = 'diffusion_pytorch_model.safetensors';

/** A run that others start from, and the file that it left. */
interface FirstRun {
  readonly config: ResolvedConfig;
  readonly run: EndedRun;
  readonly file: string;
}

async function firstRun(folder: string, overrides: readonly string[], file: string): Promise<FirstRun> {
  const config = await tinyConfig(folder, { overrides });
  const run = await runTiny({ config, path: join(folder, 'first') });
  return { config, run, file: join(folder, 'first', file) };
}

async function startFrom(config: ResolvedConfig, file: string): Promise<EndedRun> {
  const model = { ...config.model, startFrom: file };
  return runTiny({ config: { ...config, model }, path: join(await temporaryFolder(), 'second') });
}

let lora: FirstRun;
let full: FirstRun;
beforeAll(async () => {
  const folders = [
    await mkdtemp(join(tmpdir(), 'tributary-lora-')),
    await mkdtemp(join(tmpdir(), 'tributary-full-')),
  ];
  const [ofLora, ofFull] = folders as [string, string];
  lora = await firstRun(ofLora, SETTINGS, ADAPTER);
  full = await firstRun(ofFull, FULL, WEIGHTS);
  return () => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
});

const finished = ({ events }: EndedRun) =>
  events.find((event) => event.kind === 'finished') as Extract<RunEvent, { kind: 'finished' }>;
const firstKl = (run: EndedRun) => eventsOf(run, 'round')[0]?.metrics.klToPretrained ?? Number.NaN;

describe('model.startFrom', () => {
  it('should start where the other run ended, with the pretrained model as reference', async () => {
    const second = await startFrom(lora.config, lora.file);
    expect(second.error).toBeUndefined();
    expect(finished(second).base.train).toEqual(finished(lora.run).tuned.train);
    // Every round trains from the policy that it sampled: the pretrained model, and the adapter of the first run.
    expect(firstKl(lora.run)).toBeGreaterThanOrEqual(0);
    expect(firstKl(second)).toBeGreaterThan(2 * firstKl(lora.run));
  });

  it('should train convolutions and feed-forward layers, and go on from them in the style of kohya', async () => {
    const folder = await temporaryFolder();
    const pattern = 'attn[12]/to_|ff/net|resnets\\.0/conv1|downsamplers';
    const { config, run, file } = await firstRun(
      folder,
      [...SETTINGS, `model.lora.pattern=${pattern}`],
      ADAPTER,
    );
    expect(run.error).toBeUndefined();
    const layers = decodeLoraFile(await readFile(file), file);
    const kernels = layers.flatMap(({ kernel }) => (kernel ? [kernel] : []));
    expect(kernels.length).toBeGreaterThan(3);
    for (const { loraB } of layers) expect(loraB.some((value) => value !== 0)).toBe(true);
    const kohya = join(folder, 'kohya.safetensors');
    await writeFile(kohya, encodeLoraFile(layers, { format: 'kohya', dtype: 'fp32' }));
    const second = await startFrom(config, kohya);
    expect(second.error).toBeUndefined();
    expect(finished(second).base.train).toEqual(finished(run).tuned.train);
  });

  describe('with all weights', () => {
    it('should start where the other run ended, with the pretrained model as reference', async () => {
      expect(full.run.error).toBeUndefined();
      const second = await startFrom(full.config, full.file);
      expect(second.error).toBeUndefined();
      expect(finished(second).base.train).toEqual(finished(full.run).tuned.train);
      expect(finished(second).base.train).not.toEqual(finished(full.run).base.train);
      expect(firstKl(second)).toBeGreaterThan(2 * firstKl(full.run));
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
        'weights: expected only those of the model, got others, too: "unet.conv_norm.weight".',
      ],
    ])('should refuse weights %s', async (_, spoil, message) => {
      const { tensors, metadata } = decodeSafetensors(await readFile(full.file), full.file);
      const edited = new Map(tensors);
      spoil(edited);
      const path = join(await temporaryFolder(), WEIGHTS);
      await writeFile(path, encodeSafetensors({ tensors: edited, metadata }));
      const { error } = await startFrom(full.config, path);
      expect((error as Error).message).toContain(`${path}: ${message}`);
    });

    it('should refuse an adapter, and weights where an adapter is trained', async () => {
      const faultFrom = async ({ config }: FirstRun, { file }: FirstRun) =>
        ((await startFrom(config, file)).error as Error).message;
      expect(await faultFrom(full, lora)).toContain(
        `${lora.file}: expected the weights of a UNet, as model.train: full trains them, got an adapter. Merge the adapter`,
      );
      expect(await faultFrom(lora, full)).toContain(full.file);
    });
  });

  it('should refuse an adapter with a rank of its own for a layer', async () => {
    const path = join(await temporaryFolder(), 'mixed.safetensors');
    const layer = (key: string, rank: number) => ({
      key,
      loraA: new Float32Array(rank * 16),
      loraB: new Float32Array(16 * rank),
      rank,
      alpha: 2,
    });
    await writeFile(path, encodeLoraFile([layer('unet.a', 2), layer('unet.b', 1)]));
    const { error } = await startFrom(lora.config, path);
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
  ])('should refuse an adapter of another kind: %j', async (other, message) => {
    const { config, file } = lora;
    const model = { ...config.model, lora: { ...config.model.lora, ...other } };
    const { error } = await startFrom({ ...config, model }, file);
    expect((error as Error).message).toContain(message);
    expect((error as Error).message).toContain(file);
  });
});
