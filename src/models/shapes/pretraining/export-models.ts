/** @file Trained weights -> model files: the pipeline folder, and the reward model beside it. */

import { join } from 'node:path';
import { writeFileAtomic } from '../../files/atomic.js';
import { encodeGraph } from '../../graph/onnx/encode.js';
import { GraphBuilder } from '../../graph/ops/builder.js';
import type { Expression } from '../../graph/ops/expression.js';
import { UNET } from '../../networks/denoiser-family.js';
import type { LayerContext } from '../../networks/layers.js';
import { constantWeights } from '../../networks/weights.js';
import { writePipelineConfigs } from '../../pipeline/pipeline-configs.js';
import type { Tokenizer } from '../../pipeline/tokenizers/tokenizer-contract.js';
import type { Tensor } from '../../tensor.js';
import {
  IMAGE_SHAPE,
  SCHEDULER,
  SMALL_UNET,
  TEXT_HIDDEN_SIZE,
  textEncoderConfig,
} from '../networks/network-sizes.js';
import { imageEncoder, promptEncoder } from '../networks/reward-network.js';
import { smallUnet } from '../networks/small-unet.js';
import { textEncoder } from '../networks/text-encoder.js';
import { TEXT_ENCODER_SCOPE } from './denoiser-trainee.js';

type Weights = ReadonlyMap<string, Tensor>;

/** Model bytes with an open first axis on every input and output. */
function modelBytes(
  weights: Weights,
  build: (layer: LayerContext) => Readonly<Record<string, Expression>>,
): Uint8Array {
  const g = new GraphBuilder();
  const outputs = build({ g, weights: constantWeights(g, weights) });
  for (const [name, value] of Object.entries(outputs)) g.output(value, name);
  const graph = g.build();
  const symbolicAxes = Object.fromEntries(
    [...graph.inputs, ...graph.outputs].map(({ name }) => [name, ['batch']]),
  );
  return encodeGraph(graph, { symbolicAxes });
}

/** Writes the denoiser, text_encoder/, scheduler/ and model_index.json of the shapes model. */
export async function exportDenoiser(folder: string, tokenizer: Tokenizer, weights: Weights): Promise<void> {
  const tokens = tokenizer.modelMaxLength;
  const denoiser = modelBytes(weights, (layer) => {
    const { g } = layer;
    const sample = g.input('sample', 'float32', [1, ...IMAGE_SHAPE]);
    const timestep = g.input('timestep', 'int64', [1]);
    const encoderHiddenStates = g.input('encoder_hidden_states', 'float32', [1, tokens, TEXT_HIDDEN_SIZE]);
    return { out_sample: smallUnet(layer, SMALL_UNET, { sample, timestep, encoderHiddenStates }) };
  });
  const text = modelBytes(weights, (layer) => {
    const inputIds = layer.g.input('input_ids', 'int64', [1, tokens]);
    const config = textEncoderConfig(tokenizer);
    return { last_hidden_state: textEncoder(layer, TEXT_ENCODER_SCOPE, config, inputIds) };
  });
  await writeFileAtomic(join(folder, UNET.component, 'model.onnx'), denoiser);
  await writeFileAtomic(join(folder, 'text_encoder', 'model.onnx'), text);
  const [channels, ...sampleSize] = IMAGE_SHAPE;
  await writePipelineConfigs(folder, {
    scheduler: SCHEDULER,
    denoiser: { sampleSize, channels, crossAttentionDim: TEXT_HIDDEN_SIZE },
  });
}

/** Writes reward/vision_model.onnx and reward/text_model.onnx. */
export async function exportReward(folder: string, tokenizer: Tokenizer, weights: Weights): Promise<void> {
  const vision = modelBytes(weights, (layer) => {
    const pixelValues = layer.g.input('pixel_values', 'float32', [1, ...IMAGE_SHAPE]);
    return { image_embeds: imageEncoder(layer, pixelValues) };
  });
  const text = modelBytes(weights, (layer) => {
    const inputIds = layer.g.input('input_ids', 'int64', [1, tokenizer.modelMaxLength]);
    return { text_embeds: promptEncoder(layer, tokenizer, inputIds) };
  });
  await writeFileAtomic(join(folder, 'reward', 'vision_model.onnx'), vision);
  await writeFileAtomic(join(folder, 'reward', 'text_model.onnx'), text);
}
