/** @file What a run would adapt in a model, from configs and the headers of safetensors: no weight is read. */
import type { Graph, StoredTensor } from '../graph/graph.js';
import { type Adapter, addLora, type LoraOptions, type LoraSettings } from '../graph/weights/lora.js';
import { clipTextModel } from '../networks/clip-text-model.js';
import { openComponentWeights } from '../networks/component-weights.js';
import { type Network, networkGraph, requireWeights } from '../networks/network-weights.js';
import type { PipelineFolder, TextEncoderOnDisk } from './pipeline-folder.js';
import { notAdapted, requireTrainable, UNUSED } from './text-encoder.js';
import { PROMPT_LENGTH } from './tokenizers/clip-tokenizer.js';

/**
 * Returns the layers of the denoiser that `lora.pattern` names; null for an ONNX graph, whose layers only the whole graph says.
 *
 * Errors: as `requireWeights` and `addLora`.
 */
export async function denoiserLayers(
  { denoiser }: PipelineFolder,
  lora: LoraSettings,
): Promise<readonly Adapter[] | null> {
  const { modelPath, network, config, family } = denoiser;
  if (!network) return null;
  const sizes = { rows: 1, sampleSize: config.sampleSize, tokens: PROMPT_LENGTH };
  const graph = await outline(denoiser, network(sizes), null);
  const { pattern = family.loraPattern } = lora;
  return addLora(graph, { ...lora, pattern, form: 'beside' }, modelPath).adapters;
}

/**
 * Returns the layers of the text encoders that `lora.textEncoder` names.
 *
 * Errors: as `requireWeights` and `addLora`; TRIB_LORA for an encoder in ONNX form, or of SD 3.
 */
export async function textEncoderLayers(
  folder: PipelineFolder,
  lora: LoraSettings,
): Promise<readonly Adapter[]> {
  if (lora.textEncoder === undefined) return [];
  requireTrainable(folder);
  const { rank, alpha, textEncoder: pattern } = lora;
  const layers: Adapter[] = [];
  for (const encoder of folder.textEncoders) {
    const { component, modelPath } = encoder;
    const options: LoraOptions = { pattern, rank, alpha, component, form: 'beside' };
    layers.push(...addLora(await textOutline(encoder), options, modelPath).adapters);
  }
  return layers;
}

function textOutline(encoder: TextEncoderOnDisk): Promise<Graph> {
  const { architecture, modelPath } = encoder;
  if (!architecture) throw notAdapted(modelPath);
  return outline(encoder, (layer) => clipTextModel(layer, architecture, PROMPT_LENGTH), UNUSED);
}

/** The graph of a network whose weights have shapes, but no place in a file: it cannot run. */
async function outline(
  { modelPath, views }: Pick<PipelineFolder['denoiser'], 'modelPath' | 'views'>,
  network: Network,
  others: RegExp | null,
): Promise<Graph> {
  const weights = await openComponentWeights(modelPath, views);
  try {
    const wanted = requireWeights(network, weights, others);
    const nowhere = { type: 'float32', folder: '', location: '', offset: 0 } as const;
    const shaped = wanted.map(({ spec: { name, shape } }): [string, StoredTensor] => [
      name,
      { ...nowhere, shape },
    ]);
    return networkGraph(network, new Map(shaped));
  } finally {
    await weights.close();
  }
}
