/** @file The folder of diffusers that a one-file checkpoint stands for, written out. */
import { stat } from 'node:fs/promises';
import { TributaryError } from '../../errors.js';
import { type Checkpoint, type CheckpointOptions, readCheckpoint } from '../checkpoint/read-checkpoint.js';
import { type FileContent, requireEmptyFolder, writeDirectoryAtomic } from '../files/atomic.js';
import {
  type ComponentChanges,
  requireComponents,
  type WeightChange,
} from '../graph/weights/weight-change.js';
import { clipTextModel } from '../networks/clip-text-model.js';
import { openComponentWeights } from '../networks/component-weights.js';
import { type Network, requireWeights } from '../networks/network-weights.js';
import { changesByName, contentOf } from './changed-weight-files.js';
import { ENCODER } from './image-decoder.js';
import { type PipelineFolder, pipelineOf } from './pipeline-folder.js';
import { ofCheckpoint } from './pipeline-source.js';
import { PROMPT_LENGTH } from './tokenizers/clip-tokenizer.js';
import { ownTokenizerFiles } from './tokenizers/own-clip-tokenizer.js';

export interface ConvertOptions extends CheckpointOptions {
  /** What changes in the weights. */
  readonly changes?: ComponentChanges;
}

/**
 * Writes a checkpoint as a folder of diffusers, whole or not at all; weights keep their type unless they change. One
 * tensor is in memory at a time.
 *
 * Errors: as `readCheckpoint` and `readNetworkWeights`; TRIB_LORA if the changes do not fit; TRIB_USAGE if `path` is a folder or
 * `out` holds files; TRIB_FILE if a file cannot be read or written.
 * @returns what the checkpoint leaves open and how it was decided, a sentence each.
 */
export async function writeConvertedPipeline(
  path: string,
  out: string,
  { changes = {}, ...options }: ConvertOptions = {},
): Promise<readonly string[]> {
  await requireFile(path);
  await requireEmptyFolder(out);
  const checkpoint = await readCheckpoint(path, options);
  const pipeline = await pipelineOf(path, ofCheckpoint(checkpoint));
  await requireNetworks(pipeline);
  const files: Record<string, FileContent> = {};
  for (const [name, config] of checkpoint.configs) files[name] = `${JSON.stringify(config, null, 2)}\n`;
  for (const [name, padToken] of checkpoint.padTokens)
    for (const [file, content] of Object.entries(ownTokenizerFiles(padToken)))
      files[`${name}/${file}`] = content;
  requireComponents(changes, [...checkpoint.parts.keys()], path);
  const changed = changesOf(checkpoint, changes);
  for (const [name, part] of checkpoint.parts) {
    const base = name.startsWith('text_encoder') ? 'model' : 'diffusion_pytorch_model';
    const own = changed.get(name) ?? new Map<string, WeightChange>();
    files[`${name}/${base}.safetensors`] = { pieces: contentOf(part.path, own, part.views) };
  }
  await writeDirectoryAtomic(out, files);
  return pipeline.corrections;
}

/** Errors: TRIB_USAGE for a folder. */
async function requireFile(path: string): Promise<void> {
  if (!(await stat(path).catch(() => null))?.isDirectory()) return;
  const text = `${path}: expected a checkpoint in one .safetensors file, got a folder. Name the file in it; a pipeline folder needs no conversion.`;
  throw new TributaryError('TRIB_USAGE', text);
}

/** Changes by component and weight. */
function changesOf({ path, parts }: Checkpoint, changes: ComponentChanges) {
  return new Map(
    Object.entries(changes).map(([component, own]) => {
      const views = parts.get(component)?.views ?? new Map();
      const shapes = new Map([...views].map(([name, { shape }]) => [name, shape] as const));
      return [component, changesByName(path, shapes, own)] as const;
    }),
  );
}

/** Checks that no network lacks a weight, before anything is written. */
async function requireNetworks({ denoiser, textEncoders, vaeDecoder }: PipelineFolder): Promise<void> {
  const { sampleSize } = denoiser.config;
  const networks: [Pick<PipelineFolder['denoiser'], 'modelPath' | 'views'>, Network, RegExp | null][] = [];
  for (const encoder of textEncoders) {
    const { architecture } = encoder;
    if (architecture)
      networks.push([encoder, (layer) => clipTextModel(layer, architecture, PROMPT_LENGTH), null]);
  }
  if (denoiser.network)
    networks.push([denoiser, denoiser.network({ rows: 1, sampleSize, tokens: PROMPT_LENGTH }), null]);
  if (vaeDecoder?.architecture) {
    const { architecture } = vaeDecoder;
    networks.push([vaeDecoder, architecture.network([1, architecture.latentChannels, 8, 8]), ENCODER]);
  }
  for (const [{ modelPath, views }, network, others] of networks) {
    const weights = await openComponentWeights(modelPath, views);
    try {
      requireWeights(network, weights, others);
    } finally {
      await weights.close();
    }
  }
}
