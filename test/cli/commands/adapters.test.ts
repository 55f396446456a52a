/** @file The ways of an adapter out of the program and back: export, merge, and what they refuse. */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { describe, expect, test } from 'vitest';
import {
  decodeLoraFile,
  encodeLoraFile,
  LORA_DTYPES,
  LORA_FORMATS,
} from '../../../src/models/adapters/lora-file.js';
import type { LoraLayer } from '../../../src/models/adapters/lora-layer.js';
import { decodeSafetensors, encodeSafetensors } from '../../../src/models/files/safetensors.js';
import { decodePolicy, policyParameters } from '../../../src/models/policy/policy-file.js';
import { randomTensor } from '../../fixtures/run-model.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { writeTinyPipeline } from '../../fixtures/tiny-pipeline.js';
import { callCli } from '../call-cli.js';

const MODULE = 'mid_block.attentions.0.transformer_blocks.0';
const layer = (
  path: string,
  inputs: number,
  outputs: number,
  kernel?: readonly [number, number],
): LoraLayer => ({
  key: `unet.${path}`,
  loraA: randomTensor(1, [2 * inputs * (kernel ? 9 : 1)], 0.5).data,
  loraB: randomTensor(2, [outputs * 2], 0.5).data,
  rank: 2,
  alpha: 3,
  ...(kernel && { kernel }),
});
const LAYERS = [
  layer(`${MODULE}.attn1.to_q`, 16, 16),
  layer(`${MODULE}.ff.net.2`, 32, 16),
  layer('mid_block.resnets.0.conv1', 16, 16, [3, 3]),
];

const draw = (pipeline: string, out: string, ...more: string[]) =>
  callCli([
    ...['sample', '--pipeline', pipeline, '--prompt', 'a red circle', '--out', out],
    ...['--images', '2', '--steps', '3', '--scale', '1', '--threads', '1', ...more],
  ]);

describe('tributary export and merge', () => {
  test('should write every style and type, which sample the same pictures, as the merged pipeline does', async () => {
    const folder = await temporaryFolder();
    const pipeline = join(folder, 'base');
    await writeTinyPipeline(pipeline);
    const adapter = join(folder, 'pytorch_lora_weights.safetensors');
    await writeFile(adapter, encodeLoraFile(LAYERS));
    const picture = async (path: string, out: string, ...more: string[]) => {
      const file = join(folder, out);
      expect(await draw(path, file, ...more)).toEqual({ code: 0, stdout: `${file}\n`, stderr: '' });
      return readFile(file);
    };
    const expected = await picture(pipeline, 'adapted.png', '--lora', adapter);
    expect(await picture(pipeline, 'base.png')).not.toEqual(expected);
    for (const format of LORA_FORMATS) {
      for (const dtype of LORA_DTYPES) {
        const { code, stdout } = await callCli(['export', folder, '--format', format, '--dtype', dtype]);
        const file = stdout.trim();
        expect({ code, file }).toEqual({
          code: 0,
          file: expect.stringMatching(`-${format}-${dtype}.safetensors$`),
        });
        if (dtype === 'fp32') {
          expect(decodeLoraFile(await readFile(file), file)).toEqual(LAYERS);
          expect(await picture(pipeline, `${format}.png`, '--lora', file)).toEqual(expected);
        } else expect((await stat(file)).size).toBeLessThan((await stat(adapter)).size);
      }
    }
    const merged = join(folder, 'merged');
    expect(await callCli(['merge', adapter, '--pipeline', pipeline, '--out', merged])).toEqual({
      code: 0,
      stdout: `${merged}\n`,
      stderr: '',
    });
    const [one = [], other = []] = [expected, await picture(merged, 'merged.png')].map((png) => [
      ...decode(png).data,
    ]);
    const differences = one.map((value, i) => Math.abs(value - (other[i] ?? Number.NaN)));
    expect(Math.max(...differences)).toBeLessThanOrEqual(1);
  });

  test('should take a folder of PEFT where it takes a file, with the scale of adapter_config.json', async () => {
    const folder = await temporaryFolder();
    const [pipeline, peft, bare] = ['base', 'peft', 'bare'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await writeTinyPipeline(pipeline);
    const kohya = join(folder, 'kohya.safetensors');
    await writeFile(kohya, encodeLoraFile(LAYERS, { format: 'kohya', dtype: 'fp32' }));
    const named = [...decodeSafetensors(encodeLoraFile(LAYERS), 'adapter').tensors].map(
      ([name, tensor]) => [name.replace('unet.', 'base_model.model.'), tensor] as const,
    );
    for (const place of [peft, bare]) {
      await mkdir(place);
      const bytes = encodeSafetensors({ tensors: new Map(named), metadata: { format: 'pt' } });
      await writeFile(join(place, 'adapter_model.safetensors'), bytes);
    }
    await writeFile(
      join(peft, 'adapter_config.json'),
      JSON.stringify({ peft_type: 'LORA', r: 2, lora_alpha: 3 }),
    );
    const right = join(folder, 'right.png');
    expect(await draw(pipeline, right, '--lora', kohya)).toMatchObject({ code: 0, stderr: '' });
    const found = join(folder, 'found.png');
    expect(await draw(pipeline, found, '--lora', peft)).toMatchObject({ code: 0, stderr: '' });
    expect(await readFile(found)).toEqual(await readFile(right));

    const out = join(folder, 'exported.safetensors');
    expect(await callCli(['export', peft, '--dtype', 'fp32', '--out', out])).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect(decodeLoraFile(await readFile(out), out)).toEqual(LAYERS);
    expect(await callCli(['merge', peft, '--out', join(folder, 'merged')])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--pipeline: expected the folder of the base model'),
    });
    const warning = `warning: ${join(bare, 'adapter_model.safetensors')}: nothing says the alpha of any layer; it is taken to be the rank, 2,`;
    for (const command of [
      ['export', bare, '--out', out],
      ['merge', bare, '--pipeline', pipeline, '--out', join(folder, 'merged')],
    ]) {
      const { code, stderr } = await callCli(command);
      expect({ code, words: stderr.split(warning).length }).toEqual({ code: 0, words: 2 });
    }
    const { stderr } = await draw(pipeline, found, '--lora', bare);
    expect(stderr.split(warning)).toHaveLength(2);
  });

  test('should leave out layers of text encoders where asked, and train on no file that has some', async () => {
    const folder = await temporaryFolder();
    const [adapter, out] = [join(folder, 'adapter.safetensors'), join(folder, 'out.safetensors')];
    const text = { ...(LAYERS[0] as LoraLayer), key: 'text_encoder.text_model.encoder.layers.0.mlp.fc1' };
    const bytes = encodeLoraFile([...LAYERS, text]);
    await writeFile(adapter, bytes);
    const command = ['export', adapter, '--ignore-text-encoder', '--dtype', 'fp32', '--out', out];
    expect(await callCli(command)).toMatchObject({ code: 0, stderr: '' });
    expect(decodeLoraFile(await readFile(out), out)).toEqual(LAYERS);
    const untrained = { component: 'unet', adapters: [], weights: [] };
    expect(() => policyParameters(decodePolicy(bytes, 'file'), untrained, 'file')).toThrow(
      'file: expected only layers that are trained, got 1 of text encoders that are not: "text_encoder.text_model.encoder.layers.0.mlp.fc1". Name them in model.lora.textEncoder, merge the file into its base and train that (tributary merge)',
    );
    const pipeline = join(folder, 'base');
    await writeTinyPipeline(pipeline);
    const merged = join(folder, 'merged');
    expect(
      await callCli([
        'merge',
        `${out}:0.25`,
        `${adapter}:.75`,
        '--ignore-text-encoder',
        '--pipeline',
        pipeline,
        '--out',
        merged,
      ]),
    ).toEqual({
      code: 0,
      stdout: `${merged}\n`,
      stderr: `warning: ${adapter}: left out 1 layers of text encoders, as --ignore-text-encoder says\n`,
    });
    expect(
      (await draw(pipeline, join(folder, 'a.png'), '--lora', `${out}:0.25`, '--lora', `${out}:0.75`)).code,
    ).toBe(0);
    expect((await draw(merged, join(folder, 'b.png'))).code).toBe(0);
    const [one = [], other = []] = await Promise.all(
      ['a.png', 'b.png'].map(async (name) => [...decode(await readFile(join(folder, name))).data]),
    );
    expect(
      Math.max(...one.map((value, i) => Math.abs(value - (other[i] ?? Number.NaN)))),
    ).toBeLessThanOrEqual(1);
  });

  test('should say that diffusers loses alphas of attention in the style of kohya', async () => {
    const folder = await temporaryFolder();
    const [adapter, out] = [join(folder, 'adapter.safetensors'), join(folder, 'out.safetensors')];
    const [query, ...others] = LAYERS as [LoraLayer, ...LoraLayer[]];
    await writeFile(adapter, encodeLoraFile([{ ...query, alpha: 1 }, ...others]));
    const warningOf = async (format: string) =>
      (await callCli(['export', adapter, '--format', format, '--out', out])).stderr;
    expect(await warningOf('kohya')).toContain(
      `warning: ${out}: diffusers 0.42.1 does not read the alpha of attention layers in the style of kohya: it takes 3, the most frequent in the file, for 1 with another: "${query.key} (1)".`,
    );
    expect(await warningOf('peft')).toBe('');
  });

  test('should say which layers another base lacks, whoever loads the adapter', async () => {
    const folder = await temporaryFolder();
    const pipeline = join(folder, 'base');
    await writeTinyPipeline(pipeline);
    const adapter = join(folder, 'other.safetensors');
    await writeFile(
      adapter,
      encodeLoraFile([...LAYERS, layer('down_blocks.3.attentions.0.proj_in', 16, 16)]),
    );
    const model = join(pipeline, 'unet', 'model.onnx');
    const message = (got: string) =>
      `error: ${model}: expected the 4 layers of the adapter, got ${got}. The adapter was made for another base: use it with that one.\n`;
    expect(await draw(pipeline, join(folder, 'x.png'), '--lora', adapter)).toEqual({
      code: 1,
      stdout: '',
      stderr: message('a model without 1 of them: down_blocks.3.attentions.0.proj_in'),
    });
    expect(
      await callCli(['merge', adapter, '--pipeline', pipeline, '--out', join(folder, 'merged')]),
    ).toEqual({
      code: 1,
      stdout: '',
      stderr: message(
        'a model that 1 of them do not fit: down_blocks.3.attentions.0.proj_in (no such layer)',
      ),
    });
  });

  test('should refuse a pickle, a lying header, a folder without adapter, and a base that nobody named', async () => {
    const folder = await temporaryFolder();
    const [pickle, lying, adapter] = ['adapter.bin', 'lying.safetensors', 'a.safetensors'].map((name) =>
      join(folder, name),
    ) as [string, string, string];
    const bytes = encodeLoraFile(LAYERS);
    await writeFile(pickle, Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0, 8, 8));
    await writeFile(adapter, bytes);
    const text = new TextDecoder('latin1').decode(bytes).replace('"data_offsets":[0,', '"data_offsets":[8,');
    await writeFile(lying, Buffer.from(text, 'latin1'));
    const errorOf = async (...args: string[]) => (await callCli(args)).stderr;
    expect(await errorOf('export', pickle)).toContain(`error: ${pickle}: expected safetensors, got a pickle`);
    expect(await errorOf('export', lying)).toContain(
      'expected data from byte 0, got from byte 8. The file is damaged',
    );
    expect(await errorOf('export', await temporaryFolder())).toContain(
      'pytorch_lora_weights.safetensors: expected the adapter of a run',
    );
    expect(await errorOf('merge', adapter, '--out', join(folder, 'out'))).toContain(
      '--pipeline: expected the folder',
    );
    expect(await callCli(['export', adapter, '--format', 'lycoris'])).toMatchObject({ code: 2 });
  });
});
