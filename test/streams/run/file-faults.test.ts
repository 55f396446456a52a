/** @file What lint finds in the files of a model before any weight is read, and at which setting it says so. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeLoraFile } from '../../../src/models/adapters/lora-file.js';
import { fileShapes } from '../../../src/models/adapters/lora-layer.js';
import { denoiserLayers, textEncoderLayers } from '../../../src/models/pipeline/adapted-layers.js';
import { readPipelineFolder } from '../../../src/models/pipeline/pipeline-folder.js';
import { encodePolicy, startingPolicy } from '../../../src/models/policy/policy-file.js';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';
import { writePath } from '../../../src/streams/config/source/fault.js';
import type { NamedFile } from '../../../src/streams/config/source/named-files.js';
import { findFileFaults } from '../../../src/streams/run/file-faults.js';
import { checkpointBytes } from '../../fixtures/checkpoint-files.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

const SD1 = 'test/fixtures/stable-diffusion/sd1';
const LORA = { pattern: 'attn[12]/to_(q|k|v|out\\.0)', rank: 2, alpha: 2 };

const config = (model: string, sampler = '') => `version: 2
name: mine
model:
  pipeline: ${SD1}
${model}
stages:
  prompts: { type: prompts, train: t, heldOut: h }
  schedule: { type: schedule, mode: floor-linear, first: 7, last: 10 }
  draw:
    type: sampler
${sampler}
  reward: { type: reward, from: http, url: 'http://127.0.0.1:1' }
  advantages: { type: advantages, rule: branch-centered }
  trainer: { type: trainer }
`;

/** Lines of a config whose files' faults they are, and their texts. */
async function faultsOf(text: string): Promise<string[]> {
  const files: NamedFile[] = [];
  const isOfModel = ({ path }: NamedFile) => path[0] === 'model';
  const hear = (file: NamedFile) => {
    if (isOfModel(file)) files.push(file);
    return [];
  };
  const { config: whole } = lintTopology(text, 'a.yaml', { isPlaced: true, fileFaults: hear });
  expect(whole).toBeDefined();
  const found = await findFileFaults(files, whole);
  const fileFaults = ({ path }: NamedFile) => found.get(writePath(path)) ?? [];
  return lintTopology(text, 'a.yaml', { isPlaced: true, fileFaults }).faults.map(({ message }) => message);
}

/** An adapter for a model, as a run that starts there has it. */
async function adapterFor(model: string, lora: typeof LORA & { textEncoder?: string }): Promise<string> {
  const folder = await readPipelineFolder(model);
  const adapters = [
    ...((await denoiserLayers(folder, lora)) ?? []),
    ...(await textEncoderLayers(folder, lora)),
  ];
  const inputs = { component: 'unet', adapters, weights: [] };
  const path = join(await temporaryFolder(), 'adapter.safetensors');
  await writeFile(path, encodePolicy(inputs, startingPolicy(inputs, lora, 1), lora));
  return path;
}

const start = (path: string, ...others: readonly string[]) =>
  [`  startFrom: ${path}`, `  lora: { rank: 2${others.map((one) => `, ${one}`).join('')} }`].join('\n');

describe('findFileFaults', () => {
  it('should take an adapter with the layers of the config, in the UNet and in text encoders', async () => {
    expect(await faultsOf(config(start(await adapterFor(SD1, LORA))))).toEqual([]);
    const textEncoder = 'self_attn/(q|k|v|out)_proj';
    const withText = await adapterFor(SD1, { ...LORA, textEncoder });
    expect(await faultsOf(config(start(withText, `textEncoder: '${textEncoder}'`)))).toEqual([]);
    expect(await faultsOf(config(start(withText, `textEncoder: 'self_attn/q_proj'`)))).toEqual([
      expect.stringContaining('a.yaml:5:14 model.startFrom: expected what can be read, got "'),
    ]);
  });

  it('should find an adapter of other layers than the pattern selects, at its line', async () => {
    const path = await adapterFor(SD1, { ...LORA, pattern: 'attn1/to_q' });
    const [fault, ...others] = await faultsOf(config(start(path)));
    expect(others).toEqual([]);
    expect(fault).toMatch(
      /^a\.yaml:5:14 model\.startFrom: expected what can be read, got ".*: expected weights for the layers that model\.lora\.pattern names, got none for "down_blocks\.0.*Use the pattern and the base model/,
    );
  });

  it('should find an adapter of a model with other sizes', async () => {
    const path = join(await temporaryFolder(), 'wide.safetensors');
    const layers = (await denoiserLayers(await readPipelineFolder(SD1), LORA)) ?? [];
    const rank = 2;
    const wide = layers.map(({ layer, inFeatures, outFeatures }) => ({
      ...{ key: `unet.${layer}`, rank, alpha: rank },
      loraA: new Float32Array(rank * (inFeatures + (layer.includes('attn2.to_k') ? 8 : 0))),
      loraB: new Float32Array(outFeatures * rank),
    }));
    await writeFile(path, encodeLoraFile(wide));
    const shape = fileShapes(wide.find(({ key }) => key.endsWith('attn2.to_k')) ?? (wide[0] as never));
    const [fault] = await faultsOf(config(start(path)));
    expect(fault).toContain('expected A and B in the sizes of the model');
    expect(fault).toContain(`(A [${shape.a.join(', ')}] and B [`);
  });

  it('should read the layers of a one-file checkpoint', async () => {
    const file = join(await temporaryFolder(), 'sdxl.safetensors');
    await writeFile(file, checkpointBytes('sdxl'));
    const path = await adapterFor(file, LORA);
    const ofFile = (text: string) => faultsOf(text.replace(SD1, file));
    expect(await ofFile(config(start(path)))).toEqual([]);
    expect((await faultsOf(config(start(path))))[0]).toContain('model.startFrom: expected what can be read');
  });

  it('should say what is wrong with a model of the model alone, not of its embeddings, nor of a config of its name', async () => {
    const folder = await temporaryFolder();
    const file = join(folder, 'mine.safetensors');
    const beside = join(folder, 'mine.yaml');
    await writeFile(file, checkpointBytes('sd1'));
    const text = config('  embeddings: [test/fixtures/textual-inversions/sd1/bad-art.safetensors]').replace(
      SD1,
      file,
    );
    await writeFile(beside, text);
    expect((await faultsOf(text)).join()).not.toContain('model.params');
    await writeFile(beside, 'model: { base_learning_rate: 1 }');
    expect(await faultsOf(text)).toEqual([
      expect.stringMatching(/^a\.yaml:4:13 model\.pipeline: .*mine\.yaml model\.params\.parameterization/),
    ]);
  });

  it('should put what does not fit the model at the line of each setting, whatever the stages are called', async () => {
    const model = `  extraChannels: [1, 0]\n  lora: { pattern: attn9, textEncoder: q_prj }`;
    expect(
      await faultsOf(config(model, '    buckets: [{ width: 16, height: 16 }, { width: 17, height: 16 }]')),
    ).toEqual([
      expect.stringMatching(
        /^a\.yaml:5:18 model\.extraChannels: expected none, because the UNet .* got 2\. Leave/,
      ),
      expect.stringMatching(
        /^a\.yaml:6:20 model\.lora\.pattern: expected what names layers of the model, got ".*Names look like/,
      ),
      expect.stringMatching(
        /^a\.yaml:6:40 model\.lora\.textEncoder: expected what names layers of the model/,
      ),
      expect.stringMatching(
        /^a\.yaml:12:51 stages\.draw\.buckets\[1\]\.width: expected a multiple of 4, .*got 17/,
      ),
    ]);
  });
});
