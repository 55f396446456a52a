/** @file Adapters, checkpoints of the trainer, and everything else in safetensors. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeLoraFile } from '../../../dist/models/adapters/lora-file.js';
import { decodeSafetensors, encodeSafetensors } from '../../../dist/models/files/safetensors.js';
import { openSafetensors } from '../../../dist/models/files/safetensors-file.js';
import { decodeAdamWState, encodeAdamWState } from '../../../dist/models/optimizers/adamw-state-file.js';
import { decodeLossScale, encodeLossScale } from '../../../dist/models/optimizers/loss-scale.js';
import { decodeReplayBuffer, encodeReplayBuffer } from '../../../dist/models/policy/replay-buffer-file.js';
import { decodeValueState, encodeValueState } from '../../../dist/models/policy/value-state-file.js';
import { readFitState, writeFitState } from '../../../dist/models/pretraining/fit-state-file.js';
import { readAestheticHead } from '../../../dist/models/rewards/encoders/aesthetic-head.js';
import { readPolicy } from '../../../dist/streams/directory/read-adapter.js';
import { damagedJson, damagedSafetensors } from '../damage.mjs';

const values = (length) => Float32Array.from({ length }, (_, index) => (index - 3) / 7);
const parameters = { 'mid.lora_A': values(8), 'mid.lora_B': values(6) };
const adamW = { step: 3, firstMoments: parameters, secondMoments: parameters };
const valueSpecs = [
  { name: 'hidden', shape: [2, 4] },
  { name: 'out', shape: [4] },
];
const valueArrays = { hidden: values(8), out: values(4) };
const layers = ['to_q', 'to_out.0'].map((name, index) => ({
  key: `unet.mid_block.attentions.0.transformer_blocks.0.attn1.${name}`,
  loraA: values(8),
  loraB: values(6),
  rank: 2,
  alpha: 2 + index,
}));
const convolution = {
  key: 'unet.conv_in',
  loraA: values(2 * 3 * 9),
  loraB: values(8),
  rank: 2,
  alpha: 2,
  kernel: [3, 3],
};
const transition = { prompt: 'a', latents: values(4), nextLatents: values(4), step: 1, logProb: -1 };
const buffer = [
  { ...transition, reward: 0.5, policyVersion: 0 },
  { ...transition, prompt: 'b', reward: -0.5, policyVersion: 1 },
];
const PARTS = ['weights', 'average', 'firstMoments', 'secondMoments'];

/** A reader of bytes in memory. */
const ofBytes = (name, files, read, damage = damagedSafetensors) => ({
  name,
  open: async () => ({ files: damage(files), read: async (bytes) => read(new Uint8Array(bytes)) }),
});

/** A reader of a file. */
const ofFile = (name, whole, read) => ({
  name,
  async open(folder) {
    const path = join(folder, 'file.safetensors');
    return {
      files: damagedSafetensors(await whole(folder)),
      async read(bytes) {
        await writeFile(path, bytes);
        await read(path);
      },
    };
  },
});

/** A bare PEFT model, whose alphas stand in the file beside it. */
const bare = encodeSafetensors({
  tensors: new Map(
    layers.flatMap(({ key, loraA, loraB }) => [
      [
        `base_model.model.${key.slice('unet.'.length)}.lora_A.weight`,
        { dtype: 'F32', shape: [2, 4], data: loraA },
      ],
      [
        `base_model.model.${key.slice('unet.'.length)}.lora_B.weight`,
        { dtype: 'F32', shape: [3, 2], data: loraB },
      ],
    ]),
  ),
  metadata: {},
});
const peftConfig = {
  peft_type: 'LORA',
  r: 2,
  lora_alpha: 4,
  use_rslora: true,
  use_dora: false,
  bias: 'none',
  rank_pattern: { to_q: 2 },
  alpha_pattern: { 'attn1.to_out.0': 8 },
  target_modules: ['to_q', 'to_out.0'],
  modules_to_save: null,
  fan_in_fan_out: false,
  init_lora_weights: true,
};

export const adapters = [
  {
    name: 'adapter_config.json',
    async open(folder) {
      await writeFile(join(folder, 'adapter_model.safetensors'), bare);
      return {
        files: damagedJson([JSON.stringify(peftConfig)]),
        async read(bytes) {
          await writeFile(join(folder, 'adapter_config.json'), bytes);
          await readPolicy(folder);
        },
      };
    },
  },
  {
    name: 'metadata of an adapter',
    async open(folder) {
      const path = join(folder, 'file.safetensors');
      const { tensors, metadata } = decodeSafetensors(encodeLoraFile(layers), 'whole');
      return {
        files: damagedJson([metadata.lora_adapter_metadata]),
        async read(bytes) {
          const damaged = { ...metadata, lora_adapter_metadata: bytes.toString('utf8') };
          await writeFile(path, encodeSafetensors({ tensors, metadata: damaged }));
          await readPolicy(path);
        },
      };
    },
  },
  ofBytes('safetensors', [encodeLoraFile(layers)], (bytes) => decodeSafetensors(bytes, 'file')),
  ofFile(
    'safetensors file',
    async () => [encodeLoraFile(layers)],
    async (path) => {
      const file = await openSafetensors(path);
      try {
        for (const name of file.records.keys()) await file.read(name);
      } finally {
        await file.close();
      }
    },
  ),
  ofFile(
    'adapter',
    async () => [
      encodeLoraFile([...layers, convolution]),
      encodeLoraFile(layers, { format: 'kohya', dtype: 'fp16' }),
      encodeSafetensors({
        tensors: new Map([['conv_in.weight', { dtype: 'F32', shape: [2, 4], data: values(8) }]]),
        metadata: { tributary: 'unet' },
      }),
    ],
    readPolicy,
  ),
  ofBytes('optimizer.safetensors', [encodeAdamWState(adamW)], (bytes) =>
    decodeAdamWState(bytes, parameters, 'file'),
  ),
  ofBytes('replay.safetensors', [encodeReplayBuffer(buffer)], (bytes) => decodeReplayBuffer(bytes, 'file')),
  ofBytes(
    'value.safetensors',
    [
      encodeValueState(
        {
          weights: valueArrays,
          optimizer: { step: 1, firstMoments: valueArrays, secondMoments: valueArrays },
        },
        valueSpecs,
      ),
    ],
    (bytes) => decodeValueState(bytes, valueSpecs, 'file'),
  ),
  ofBytes(
    'loss scale',
    [encodeLossScale({ scale: 1024, goodUpdates: 3 })],
    (bytes) => decodeLossScale(bytes, 'file'),
    damagedJson,
  ),
  ofFile(
    'pretraining checkpoint',
    async (folder) => {
      const path = join(folder, 'whole.safetensors');
      const { step, ...moments } = adamW;
      const state = { step, weights: parameters, average: parameters, optimizer: { step, ...moments } };
      await writeFitState(path, state, 'same');
      return [await readFile(path)];
    },
    async (path) => {
      const state = await readFitState(path, 'same');
      for (const part of PARTS) Object.entries(state[part] ?? state.optimizer[part]);
    },
  ),
  ofFile(
    'aesthetic head',
    async () => [
      encodeSafetensors({
        tensors: new Map([
          ['layers.0.weight', { dtype: 'F32', shape: [2, 3], data: values(6) }],
          ['layers.0.bias', { dtype: 'F32', shape: [2], data: values(2) }],
          ['layers.2.weight', { dtype: 'F32', shape: [1, 2], data: values(2) }],
          ['layers.2.bias', { dtype: 'F32', shape: [1], data: values(1) }],
        ]),
        metadata: {},
      }),
    ],
    async (path) => {
      const head = await readAestheticHead(path);
      head.score(values(3));
    },
  ),
];
