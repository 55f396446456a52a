/** @file Where the third text encoder of SD 3, T5, lies in a folder. */

import { join } from 'node:path';
import { TributaryError } from '../../errors.js';
import { readT5Config, type T5Config } from '../networks/t5-encoder.js';
import type { PipelineSource } from './pipeline-source.js';

export interface T5OnDisk {
  /** Its folder in the pipeline's. */
  readonly component: string;
  /** A safetensors file, or the index of several. */
  readonly modelPath: string;
  readonly architecture: T5Config;
  /** The folder of its tokenizer. */
  readonly tokenizer: string;
}

const COMPONENT = 'text_encoder_3';

/** Reads where T5 lies in a folder, and its config. Errors: TRIB_MODEL if it is not there, or a graph in ONNX form. */
export async function readT5(path: string, source: PipelineSource): Promise<T5OnDisk> {
  await source.tokenizer('tokenizer_3');
  const { modelPath, configPath } = await source.network(COMPONENT, 'model');
  if (configPath === null) {
    const text = `${modelPath}: expected T5 in safetensors, got a graph in ONNX form. Use the folder of diffusers.`;
    throw new TributaryError('TRIB_MODEL', text);
  }
  const architecture = await readT5Config(configPath);
  return { component: COMPONENT, modelPath, architecture, tokenizer: join(path, 'tokenizer_3') };
}
