import type { Command } from 'commander';
import { TributaryError } from '../../errors.js';
import { writeFileAtomic } from '../../models/files/atomic.js';
import type { EmbeddingPlace } from '../../models/pipeline/embeddings/embedding-file.js';
import { promptCheck } from '../../models/pipeline/embeddings/fitting-embeddings.js';
import { topologySchema } from '../../streams/config/schema/topology-schema.js';
import { CONFIG_VERSION } from '../../streams/config/source/version.js';
import type { AdapterPlace } from '../../streams/directory/read-adapter.js';
import { startSampler } from '../../streams/stages/sampler/client.js';
import {
  between,
  collect,
  collectAdapters,
  EMBEDDING,
  IGNORE_TEXT_ENCODER,
  modelPath,
  numbers,
  whole,
} from '../input/options.js';
import { printWarnings } from '../output/log.js';

interface SampleOptions {
  readonly pipeline: string;
  readonly lora: readonly AdapterPlace[];
  readonly ignoreTextEncoder: boolean;
  readonly embedding: readonly EmbeddingPlace[];
  readonly prompt: readonly string[];
  readonly out: string;
  readonly images: number;
  readonly seed: number;
  readonly steps: number;
  readonly guidance: number;
  readonly negative?: string;
  readonly width?: number;
  readonly height?: number;
  readonly extraChannels?: readonly number[];
  readonly scale: number;
  readonly threads: number;
}

/** Pictures that are drawn at once, at most. */
const MAX_BATCH = 32;

/** `tributary sample`: draws pictures, one row per prompt. */
export function addSampleCommand(program: Command): void {
  program
    .command('sample')
    .description('draw pictures as a PNG grid, one row per prompt; the same seed gives the same noise')
    .requiredOption('--prompt <text>', 'what to draw; repeatable', collect)
    .requiredOption('--out <file>', 'PNG file to write')
    .option('--pipeline <folder>', 'the model', 'tributary:shapes')
    .option(
      '--lora <file[:strength]>',
      'adapter file of any program, or its folder, such as runs/<name>; repeatable',
      collectAdapters,
      [],
    )
    .option(...IGNORE_TEXT_ENCODER)
    .option(...EMBEDDING)
    .option('--images <n>', 'pictures per prompt', whole(1, 1000), 8)
    .option('--seed <n>', 'seed of the noise', whole(0, 2 ** 32 - 1), 1234)
    .option('--steps <n>', 'sampler steps', whole(2, 1000), 10)
    .option('--guidance <w>', 'classifier-free guidance; values up to 1 switch it off', between(0, 100), 2)
    .option('--negative <text>', 'what guidance leads away from, in place of the empty prompt')
    .option('--width <pixels>', 'width of a picture; default: that of the model', whole(8, 16_384))
    .option('--height <pixels>', 'height of a picture; default: that of the model', whole(8, 16_384))
    .option(
      '--extra-channels <numbers>',
      'constants for what a UNet takes beside latents, as model.extraChannels: 1,0.2,...',
      numbers,
    )
    .option('--scale <n>', 'enlargement of the pictures', whole(1, 64), 4)
    .option('--threads <n>', 'threads that compute', whole(1, 1024), 2)
    .action(sample);
}

async function sample(options: SampleOptions): Promise<void> {
  const { prompt: prompts, images, out, scale } = options;
  const pipeline = modelPath(options.pipeline);
  const check = await promptCheck(pipeline, options.embedding);
  for (const prompt of prompts) {
    if (prompt.trim() === '') throw noWords();
    check(prompt);
  }
  const negativePrompt = options.negative?.trim() || undefined;
  if (negativePrompt !== undefined) check(negativePrompt);
  const config = topologySchema.parse({
    version: CONFIG_VERSION,
    name: 'sample',
    model: { pipeline, extraChannels: options.extraChannels },
    engine: { threads: options.threads },
    stages: {
      sampler: {
        type: 'sampler',
        numInferenceSteps: options.steps,
        guidanceScale: options.guidance,
        negativePrompt,
        width: options.width,
        height: options.height,
        numBranches: 1,
        groupsPerBatch: Math.min(MAX_BATCH, prompts.length * images),
      },
    },
    evaluation: { seed: options.seed },
  });
  const adapters = { places: options.lora, ignoresTextEncoder: options.ignoreTextEncoder };
  const sampler = await startSampler(config, printWarnings, adapters, options.embedding);
  try {
    const parameters = sampler.fileParameters ?? sampler.baseParameters;
    const png = await sampler.withPolicy({ version: 0, parameters }, (call) =>
      call.sampleGrid({ prompts: prompts.map((prompt) => ({ prompt })), columns: images, scale }),
    );
    await writeFileAtomic(out, png);
  } finally {
    await sampler.close();
  }
  console.log(out);
}

/** The model could draw a picture of nothing, but nobody asks for one on purpose. */
function noWords(): TributaryError {
  return new TributaryError(
    'TRIB_USAGE',
    '--prompt: expected words, got an empty text. Write one such as "a red circle and a blue square".',
  );
}
