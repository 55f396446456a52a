/** @file The JSON files of a pipeline folder that this program exports. */
import { join } from 'node:path';
import {
  type AnySchedulerConfig,
  schedulerClass,
  schedulerConfigJson,
} from '../diffusion/scheduler-config.js';
import { writeFileAtomic } from '../files/atomic.js';
import type { UnetConfig } from './pipeline-folder.js';

/**
 * Writes the JSON files of a pipeline folder that works on pixels (no `vae_decoder/`), such that `readPipelineFolder`
 * gives the same configs back once the graphs and the tokenizer lie beside them. Equal configs give equal bytes.
 *
 * Errors: TRIB_FILE if the folder cannot be written.
 */
export async function writePipelineConfigs(
  path: string,
  { scheduler, unet }: { readonly scheduler: AnySchedulerConfig; readonly unet: Omit<UnetConfig, 'added'> },
): Promise<void> {
  const graph = ['tributary', 'OnnxGraph'];
  const files = {
    'model_index.json': {
      _class_name: 'TributaryPipeline',
      scheduler: ['diffusers', schedulerClass(scheduler)],
      text_encoder: graph,
      tokenizer: ['tributary', 'Tokenizer'],
      unet: graph,
    },
    'scheduler/scheduler_config.json': schedulerConfigJson(scheduler),
    'unet/config.json': {
      sample_size: unet.sampleSize,
      in_channels: unet.inChannels,
      out_channels: unet.outChannels,
      cross_attention_dim: unet.crossAttentionDim,
    },
  };
  for (const [name, content] of Object.entries(files)) {
    await writeFileAtomic(join(path, name), `${JSON.stringify(content, null, 2)}\n`);
  }
}
