/** @file Files of a pipeline folder and of reward models, as diffusers, transformers and optimum write them. */
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inferenceTimesteps } from '../../../dist/models/diffusion/inference-timesteps.js';
import { createNoiseSchedule } from '../../../dist/models/diffusion/noise-schedule.js';
import { readPreprocessorConfig } from '../../../dist/models/images/preprocessor-config.js';
import { autoencoderKlDecoder } from '../../../dist/models/networks/autoencoder-kl-decoder.js';
import { clipTextModel } from '../../../dist/models/networks/clip-text-model.js';
import { openComponentWeights } from '../../../dist/models/networks/component-weights.js';
import { readNetworkWeights } from '../../../dist/models/networks/network-weights.js';
import { readPipelineFolder } from '../../../dist/models/pipeline/pipeline-folder.js';
import { readSchedulerConfig } from '../../../dist/models/pipeline/scheduler/read-scheduler-config.js';
import { loadTokenizer } from '../../../dist/models/pipeline/tokenizers/tokenizer.js';
import { loadTextTokenizer } from '../../../dist/models/rewards/encoders/text-tokenizer.js';
import { damagedBytes, damagedJson } from '../damage.mjs';

const root = join(import.meta.dirname, '../../..');
const fixtures = join(root, 'test/fixtures');
const stableDiffusion = (name) => join(fixtures, 'stable-diffusion', name);
const PROMPT = 'A photo of 2 cats!';

/** A reader of one file of a folder, which is a copy of `from`; `read` is given the folder. */
function fileOf(name, from, file, read, damage = damagedJson) {
  return {
    name,
    async open(folder) {
      const copy = join(folder, 'copy');
      await cp(from, copy, { recursive: true });
      const whole = await readFile(join(copy, file)).catch(() => Buffer.from('{}'));
      return {
        files: damage([whole]),
        async read(bytes) {
          await writeFile(join(copy, file), bytes);
          return read(copy);
        },
      };
    },
  };
}

const tokenize = (folder) => loadTokenizer(join(folder, 'tokenizer')).encode(PROMPT);
const tokenizeWords = (folder) => loadTokenizer(join(folder, 'tokenizer')).encode('a red circle');

async function textTokenize(folder) {
  (await loadTextTokenizer(folder)).encode(PROMPT, 20);
}

/** All that a pipeline's files say of its networks: which weights they have, and of which shapes. */
async function readNetworks(folder) {
  const { textEncoders, denoiser, vaeDecoder } = await readPipelineFolder(folder);
  const { sampleSize } = denoiser.config;
  await readNetwork({ ...denoiser, architecture: denoiser.network }, (layer, network) =>
    network({ rows: 1, sampleSize, tokens: 77 })(layer),
  );
  for (const encoder of textEncoders)
    await readNetwork(encoder, (layer, config) => clipTextModel(layer, config, 77));
  const latents = (config) => [1, config.latentChannels, 8, 8];
  await readNetwork(vaeDecoder, (layer, config) => autoencoderKlDecoder(layer, config, latents(config)), /./);
}

async function readNetwork({ modelPath, architecture }, define, others = null) {
  const weights = await openComponentWeights(modelPath);
  try {
    await readNetworkWeights((layer) => define(layer, architecture), weights, others);
  } finally {
    await weights.close();
  }
}

async function readSchedule(folder) {
  const config = await readSchedulerConfig(join(folder, 'scheduler/scheduler_config.json'));
  const schedule = createNoiseSchedule(config);
  if (config.predictionType !== 'flow') inferenceTimesteps(schedule, 10);
}

const config = (name, from, file) => ({
  ...fileOf(name, stableDiffusion(from), file, readNetworks),
  isSlow: true,
});

export const pipelines = [
  fileOf('scheduler_config.json', stableDiffusion('sd2'), 'scheduler/scheduler_config.json', readSchedule),
  fileOf('model_index.json', stableDiffusion('sdxl'), 'model_index.json', readPipelineFolder),
  fileOf('unet config.json', stableDiffusion('sdxl'), 'unet/config.json', readPipelineFolder),
  fileOf('vae config.json', stableDiffusion('sd1'), 'vae/config.json', readPipelineFolder),
  fileOf('text_encoder config.json', stableDiffusion('sd2'), 'text_encoder/config.json', readPipelineFolder),
  config('networks of unet config.json', 'sd1', 'unet/config.json'),
  config('networks of vae config.json', 'sd1', 'vae/config.json'),
  config('networks of text_encoder config.json', 'sd1', 'text_encoder/config.json'),
  fileOf(
    'safetensors index',
    stableDiffusion('sd2'),
    'unet/diffusion_pytorch_model.safetensors.index.json',
    async (folder) => {
      const path = join(folder, 'unet/diffusion_pytorch_model.safetensors.index.json');
      await (await openComponentWeights(path)).close();
    },
  ),
  fileOf('CLIP tokenizer_config.json', stableDiffusion('sd2'), 'tokenizer/tokenizer_config.json', tokenize),
  fileOf(
    'CLIP special_tokens_map.json',
    stableDiffusion('sd2'),
    'tokenizer/special_tokens_map.json',
    tokenize,
  ),
  fileOf('CLIP added_tokens.json', stableDiffusion('sd1'), 'tokenizer/added_tokens.json', tokenize),
  fileOf('CLIP vocab.json', stableDiffusion('sd1'), 'tokenizer/vocab.json', tokenize),
  fileOf('CLIP merges.txt', stableDiffusion('sd1'), 'tokenizer/merges.txt', tokenize, damagedBytes),
  fileOf('word tokenizer vocab.json', join(root, 'models/shapes'), 'tokenizer/vocab.json', tokenizeWords),
  fileOf(
    'word tokenizer_config.json',
    join(root, 'models/shapes'),
    'tokenizer/tokenizer_config.json',
    tokenizeWords,
  ),
  fileOf('tokenizer.json', join(fixtures, 'wordpiece'), 'tokenizer.json', textTokenize),
  fileOf(
    'wordpiece tokenizer_config.json',
    join(fixtures, 'wordpiece'),
    'tokenizer_config.json',
    textTokenize,
  ),
  {
    name: 'preprocessor_config.json',
    async open(folder) {
      const path = join(folder, 'preprocessor_config.json');
      const whole = {
        image_processor_type: 'CLIPImageProcessor',
        do_resize: true,
        size: { shortest_edge: 224 },
        resample: 3,
        do_center_crop: true,
        crop_size: { height: 224, width: 224 },
        do_rescale: true,
        rescale_factor: 1 / 255,
        do_normalize: true,
        image_mean: [0.48, 0.45, 0.4],
        image_std: [0.26, 0.26, 0.27],
      };
      return {
        files: damagedJson([JSON.stringify(whole)]),
        async read(bytes) {
          await writeFile(path, bytes);
          await readPreprocessorConfig(path);
        },
      };
    },
  },
];
