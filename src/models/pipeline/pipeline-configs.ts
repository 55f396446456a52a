/** @file Writing the JSON files of a pipeline folder that this program exports. */
import { join } from 'node:path';
import {
  type AnySchedulerConfig,
  schedulerClass,
  schedulerConfigJson,
} from '../diffusion/scheduler-config.js';
import { writeFileAtomic } from '../files/atomic.js';
import { type DenoiserConfig, UNET } from '../networks/denoiser-family.js';
import { unetLatentsJson } from '../networks/unet-config.js';

/**
 * Writes the JSON files of a pipeline folder that works on pixels (no `vae_decoder/`). With the graphs and the tokenizer
 * beside them, `readPipelineFolder` returns the same configs. Equal configs give equal bytes.
 *
 * Errors: TRIB_FILE if the folder cannot be written.
 */
export async function writePipelineConfigs(
  path: string,
  {
    scheduler,
    denoiser,
  }: {
    scheduler: AnySchedulerConfig;
    denoiser: Omit<DenoiserConfig, 'pooledWidth' | 'guidanceWidth' | 'extraChannels'>;
  },
): Promise<void> {
  const graph = ['tributary', 'OnnxGraph'];
  const files = {
    'model_index.json': {
      _class_name: 'TributaryPipeline',
      scheduler: ['diffusers', schedulerClass(scheduler)],
      text_encoder: graph,
      tokenizer: ['tributary', 'Tokenizer'],
      [UNET.component]: graph,
    },
    'scheduler/scheduler_config.json': schedulerConfigJson(scheduler),
    [`${UNET.component}/config.json`]: unetLatentsJson(denoiser),
  };
  for (const [name, content] of Object.entries(files)) {
    await writeFileAtomic(join(path, name), `${JSON.stringify(content, null, 2)}\n`);
  }
}
