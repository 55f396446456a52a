/**
 * @file A run with all that a model and its prompts may ask for at once: channels beside the latents, textual inversions, LoRA of
 * the text encoder, pictures of several sizes, and policies that are compared with where it started.
 */

import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { decodeLoraFile, encodeLoraFile } from '../../../src/models/adapters/lora-file.js';
import { formulaNumbers } from '../../fixtures/formula-numbers.js';
import { folderWith, otherInputs } from '../../fixtures/other-inputs.js';
import { readPngSize } from '../../fixtures/png-size.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { TINY_PROMPTS } from '../../fixtures/tiny-pipeline.js';
import { adapterOf, eventsOf, isRound, runTiny, tinyConfig, UNGUARDED } from '../../fixtures/tiny-run.js';
import { snapshot } from '../../fixtures/undisturbed-tiny.js';

const SETTINGS = [
  ...UNGUARDED,
  String.raw`model.lora={rank: 2, alpha: 3, pattern: 'attn[12]/to_(q|out\.0)|resnets\.\d/conv1', textEncoder: 'self_attn/q_proj'}`,
  'stages.prompts.numRounds=2',
  // One update a round, so that the first compares the start with itself.
  'stages.trainer.updates.samplesPerUpdate=8',
  'stages.schedule={type: schedule, mode: constant, steps: 2}',
  'stages.sampler.buckets=[{width: 16, height: 8}, {width: 8, height: 16, weight: 0}]',
  'stages.sampler.negativePrompt=a bad-art picture',
  'stages.reward={type: reward, from: jpeg-compressibility}',
  'stages.trainer.emaDecay=0.5',
  'stages.trainer.reference=start',
  'guards.klToPretrained={threshold: 1e6, action: warn}',
  'evaluation.verifier=none',
  'evaluation.width=16',
  'evaluation.height=24',
  'evaluation.numInferenceSteps=3',
  'evaluation.guidanceScale=1',
];

const embedding = (name: string) => resolve(`test/fixtures/textual-inversions/sd1/${name}.safetensors`);

/** An adapter of the UNet that diffusers wrote, with layers of the text encoder. */
async function startingAdapter(folder: string): Promise<string> {
  const written = 'test/fixtures/several-adapters/sd1-0.safetensors';
  const ofUnet = decodeLoraFile(await readFile(written), written);
  const ofTexts = [0, 1, 2].map((layer) => ({
    key: `text_encoder.text_model.encoder.layers.${layer}.self_attn.q_proj`,
    ...{ rank: 2, alpha: 3 },
    ...{ loraA: formulaNumbers(2 * 16, layer, 0.5), loraB: formulaNumbers(2 * 16, layer + 9, 0.5) },
  }));
  const path = join(folder, 'start.safetensors');
  await writeFile(path, encodeLoraFile([...ofUnet, ...ofTexts], { format: 'peft', dtype: 'fp32' }));
  return path;
}

it('should train at several sizes and evaluate at another, from an adapter as reference, and resume its average', async () => {
  const folder = await temporaryFolder();
  const prompts = join(folder, 'prompts.jsonl');
  // One group of four is of the second size.
  const lines = TINY_PROMPTS.map((prompt, index) => ({
    prompt: `${prompt} and a <cat>`,
    ...(index === 1 && { width: 8, height: 16 }),
  }));
  await writeFile(prompts, lines.map((line) => JSON.stringify(line)).join('\n'));
  const inpainting = otherInputs('inpainting');
  const config = await tinyConfig(folder, {
    overrides: [
      ...SETTINGS,
      `model.pipeline=${await folderWith(inpainting)}`,
      `model.extraChannels=${JSON.stringify(inpainting.extraChannels)}`,
      `model.startFrom=${await startingAdapter(folder)}`,
      `model.embeddings=${JSON.stringify([embedding('cat'), embedding('bad-art')])}`,
      `stages.prompts.train=${prompts}`,
    ],
  });
  const [crashed, whole] = [join(folder, 'crashed'), join(folder, 'whole')];
  const ended = await runTiny({
    ...{ config, path: whole },
    onEvent: (event) => isRound(1)(event) && !existsSync(crashed) && snapshot(whole, crashed),
  });
  expect(ended.error).toBeUndefined();
  // Eight columns of pictures three times as large, two pixels apart.
  const samples = await readFile(join(whole, 'samples', 'round-0002.png'));
  expect(readPngSize(samples).width).toBe(8 * 16 * 3 + 9 * 2);
  expect(ended.warnings).toEqual([]);
  const [round, later] = eventsOf(ended, 'round').map(({ metrics }) => metrics);
  expect(round?.klToPretrained).toBe(0);
  expect(round?.maxRatioDeviation).toBeLessThan(1e-4);
  expect(later?.klToPretrained).toBeGreaterThan(0);

  expect((await runTiny({ config, path: crashed, resume: true })).error).toBeUndefined();
  expect(await adapterOf(crashed)).toEqual(await adapterOf(whole));
  // What is shipped is the average, not what the run would go on from.
  const checkpoint = join(crashed, 'checkpoints', '2');
  expect(await adapterOf(crashed)).toEqual(await readFile(join(checkpoint, 'ema.safetensors')));
  expect(await adapterOf(crashed)).not.toEqual(await adapterOf(checkpoint));
});
