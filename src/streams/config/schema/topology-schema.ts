import * as z from 'zod';
import { filePath, integer, matching, number, oneOf, pattern, section, text } from '../../../fields.js';
import {
  ENGINES,
  GRADIENT_SOURCES,
  PROVIDERS,
  TFJS_BACKENDS,
} from '../../../models/engines/contract/engine.js';
import { PRECISIONS } from '../../../models/graph/graph.js';
import { DENOISER_FAMILIES } from '../../../models/networks/denoiser-family.js';
import { TOPIC_NAMES, TOPICS, type TopicName } from '../../messages/topics.js';
import { STAGE_SPECS, type StageType } from '../../stages/index.js';
import { goldReward } from '../../stages/reward/settings.js';
import { CONFIG_VERSION } from '../source/version.js';
import { guards } from './guards-schema.js';
import { kafka } from './kafka-schema.js';
import { promotion } from './promotion-schema.js';
import { telemetry } from './telemetry-schema.js';
import { testsSchema } from './tests-schema.js';

const [firstStage, ...otherStages] = STAGE_SPECS;
const stageSchemas = [firstStage.schema, ...otherStages.map(({ schema }) => schema)] as const;
const stage = z.discriminatedUnion('type', stageSchemas, { error: 'a mapping' });

const nameOf = (thing: string) =>
  matching(`${thing} of letters, digits and hyphens, a letter first`, /^[a-zA-Z][a-zA-Z0-9-]*$/);

const embedding = filePath('the path of a textual inversion, or of its folder', 'either');

const model = section({
  pipeline: filePath('the folder of a pipeline, or a checkpoint in one file', 'either').describe(
    'Folder of the diffusion model, in the layout of diffusers or optimum: model_index.json, scheduler, tokenizer, text_encoder, unet. Or a checkpoint of SD 1.x, SD 2.x or SDXL in one .safetensors file.',
  ),
  train: oneOf(['adapter', 'full'])
    .default('adapter')
    .describe(
      'What is trained: `adapter`, the LoRA adapter that `lora` describes, or `full`, all weights of the UNet, for small models (at most 100 million weights, about 60 bytes of memory each). The rest of the model stays frozen. With `full`, checkpoints and policy broadcasts hold all weights, `lora` is ignored, loraPlusRatio must be 1, and weight decay pulls the weights themselves toward 0.',
    ),
  lora: section({
    pattern: pattern('a regular expression')
      .optional()
      .describe(
        `Linear layers and convolutions whose node name matches get an adapter. Default, by what the model draws with: ${DENOISER_FAMILIES.map(({ title, loraPattern }) => `\`${loraPattern}\` for a ${title}`).join(', ')}, the attention projections; for a UNet \`|ff/net\` adds the feed-forward layers, \`|resnets\` the residual blocks with their convolutions.`,
      ),
    textEncoder: pattern('a regular expression')
      .optional()
      .describe(
        'Linear layers of the CLIP text encoders whose node name matches get an adapter too, of the same rank and alpha, and are trained with the UNet: `self_attn/(q|k|v|out)_proj` as the scripts of diffusers do, with `|mlp/fc` as those of kohya. It needs the model in the layout of diffusers or in one file. What a KL compares with keeps the frozen encoders. Default: the text encoders stay frozen.',
      ),
    rank: integer(1, 1024)
      .default(4)
      .describe('Rank of the adapter. A higher rank can change more; memory and time grow in proportion.'),
    alpha: number({ from: '(0', to: 'Infinity)' })
      .optional()
      .describe("The adapter's output is scaled by alpha / rank. Default: the rank, so the scale is 1."),
  })
    .transform(({ alpha, ...others }) => ({ ...others, alpha: alpha ?? others.rank }))
    .prefault({})
    .describe('The LoRA adapter; with `train: adapter`, the only weights that are trained.'),
  precision: oneOf(PRECISIONS)
    .default('float32')
    .describe(
      'Type of the weights and activations of the UNet, in sampler and trainer. `float16` takes half the memory, and on a GPU less time; normalizations, softmax, the loss and the trained parameters stay in float32, and the loss is scaled (lossScale). On the CPU it is slower than float32 and only useful for testing. Text encoder, decoder and rewards stay in float32 (docs/gpu.md).',
    ),
  extraChannels: z
    .array(number({ from: '[-1000', to: '1000]' }), { error: 'a list of numbers' })
    .min(1, { error: 'a list of at least one number' })
    .max(64, { error: 'a list of at most 64 numbers' })
    .optional()
    .describe(
      'A constant for each channel that the UNet takes beside the latents, in their order: for inpainting the mask and the four latents of the masked picture, for instruct-pix2pix the four latents of the picture (docs/models.md). Required for such models, and for no others.',
    ),
  startFrom: filePath('the path of an adapter file, or of its folder', 'either')
    .optional()
    .describe(
      'Adapter file or folder to start training from, for example one from supervised fine-tuning, in diffusers, PEFT or kohya format; it must match the rank, alpha and layers of `lora`. The run then counts this adapter as its base model, but KL terms still compare with the pretrained model, unless `reference: start` of the trainer says otherwise. Default: the pretrained model.',
    ),
  embeddings: z
    .union([z.array(embedding), z.record(text('a token'), embedding)], {
      error: 'a list of files, or a mapping from tokens to files',
    })
    .optional()
    .describe(
      'Textual inversions whose tokens prompts and negative prompts may have: a list of files (safetensors, of diffusers, web UIs or kohya), or a mapping from the token to write in prompts to the file. Without a token it is that in the file, else the name of the file (docs/models.md).',
    ),
}).describe('The diffusion model that is tuned.');

const engineName = (whose: string) =>
  oneOf(ENGINES)
    .default('onnxruntime')
    .describe(
      `What runs the networks of the ${whose}: \`onnxruntime\`, or \`tfjs\`, TensorFlow.js, whose packages are installed separately (docs/engines.md). Results agree up to rounding.`,
    );

const engine = section({
  sampler: engineName('sampler'),
  trainer: engineName('trainer'),
  providers: z
    .array(oneOf(PROVIDERS), { error: `a list of ${PROVIDERS.join(', ')}` })
    .min(1, { error: 'a list of at least one provider' })
    .default(['cpu'])
    .describe('Execution providers of onnxruntime in order of preference; the first one available is used.'),
  threads: integer(1, 1024)
    .default(2)
    .describe(
      'CPU threads per stage; each runs one graph at a time. More threads than cores are slower. The number does not affect results unless a session uses several threads.',
    ),
  sessionThreads: integer(1, 1024)
    .optional()
    .describe(
      'Threads that compute one run together. By default 1, or all of them if the weights are mapped from files, as those of large models are: then there is one run at a time, and one set of activations in memory. With several, another number may change the last bits of results.',
    ),
  tfjs: section({
    backends: z
      .array(oneOf(TFJS_BACKENDS), { error: `a list of ${TFJS_BACKENDS.join(', ')}` })
      .min(1, { error: 'a list of at least one backend' })
      .default([...TFJS_BACKENDS])
      .describe(
        'Backends of TensorFlow.js in order of preference: `node-gpu` (tfjs-node-gpu) is TensorFlow on CUDA, `node` (tfjs-node) TensorFlow on the CPU, `wasm` runs anywhere on one core, and `cpu` is plain JavaScript, for tests. The first one available is used.',
      ),
    gradients: oneOf(GRADIENT_SOURCES)
      .default('tape')
      .describe(
        'What computes gradients: `tape` is TensorFlow.js itself, `graph` the same backward pass that onnxruntime runs.',
      ),
  })
    .prefault({})
    .describe('Settings of TensorFlow.js, used if the sampler or the trainer runs on it.'),
})
  .prefault({})
  .describe('What runs the graphs.');

const transport = section({
  kind: oneOf(['in-process', 'kafka'])
    .default('in-process')
    .describe(
      'What carries messages. `in-process` keeps all stages in one process; with `kafka` they may run in several (`tributary run --roles`).',
    ),
  capacity: integer(1)
    .default(64)
    .describe('Messages that may wait on one topic before its writer has to wait. Bounds memory.'),
  maxAttempts: integer(1, 1000)
    .default(3)
    .describe(
      'Attempts to process a message that fails with a transient error before it becomes a dead letter.',
    ),
  kafka: kafka.prefault({}),
})
  .prefault({})
  .describe('How messages travel between stages.');

const topicNames = Object.fromEntries(
  TOPIC_NAMES.map((topic) => [topic, nameOf('a topic name').default(topic).describe(TOPICS[topic].summary)]),
) as Record<TopicName, z.ZodDefault<z.ZodString>>;

const topics = section(topicNames)
  .prefault({})
  .describe(
    'Topic names, all different, for programs that join from outside. With the in-process transport they appear only in the graph.',
  );

const evaluation = section({
  everyRounds: integer(1)
    .default(8)
    .describe('Rounds between evaluations; the base model and the last policy are always evaluated.'),
  trainPrompts: integer(1)
    .default(64)
    .describe('Training prompts that are evaluated, from the top of the list.'),
  heldOutPrompts: integer(1)
    .default(32)
    .describe('Held-out prompts that are evaluated, from the top of the list.'),
  imagesPerPrompt: integer(1)
    .default(8)
    .describe(
      'Images per prompt. The standard error of a share falls with the square root of the number of images.',
    ),
  pictures: oneOf(['ends', 'always'])
    .default('ends')
    .describe(
      'When the pictures in `samples/` are drawn, 8 of each of 9 prompts from the same noise: at the first and the last evaluation, or at every one, to look at over time.',
    ),
  verifier: oneOf(['shapes', 'none'])
    .default('none')
    .describe(
      'What decides exactly whether a picture satisfies its prompt. `shapes` reads the pictures of the shapes model; a prompt that is not of its grammar is not verified, and counted. Other models have no verifier and are measured by their reward alone.',
    ),
  gold: z
    .record(nameOf('the name of a reward'), goldReward, { error: 'a mapping from names to rewards' })
    .default({})
    .describe(
      'Rewards by name, from any source, that are measured on the evaluated pictures and never trained on: what the trained reward stands for (docs/rewards.md).',
    ),
  eta: number({ from: '[0', to: '2]' })
    .default(1)
    .describe(
      'Noise of the evaluation sampler, the same for every method so that they can be compared: 0 is the deterministic sampler; with DDIM steps, 1 is the ancestral sampler of DDPM.',
    ),
  numInferenceSteps: integer(2, 1000)
    .optional()
    .describe('Sampler steps of evaluation pictures. Default: those of training.'),
  guidanceScale: number({ from: '[0', to: '100]' })
    .optional()
    .describe('Classifier-free guidance of evaluation pictures. Default: that of training.'),
  width: integer(8, 16_384)
    .optional()
    .describe('Width of evaluation pictures in pixels, as that of the sampler. Default: that of training.'),
  height: integer(8, 16_384)
    .optional()
    .describe(
      'Height of evaluation pictures. At another size than in training the model, and a reward model, is loaded a second time.',
    ),
  seed: integer(0, 0xffffffff)
    .default(1234)
    .describe(
      'Seed of the evaluation images: every policy starts from the same noise, so that curves can be compared.',
    ),
})
  .prefault({})
  .describe('When and on what the policy is measured. It never influences training.');

const checkpoints = section({
  everyRounds: integer(1)
    .default(1)
    .describe('Rounds between checkpoints. After a crash, the rounds since the last one are repeated.'),
  keep: integer(1).default(3).describe('Number of newest checkpoints to keep.'),
})
  .prefault({})
  .describe('When the run is saved.');

const topologyShape = {
  version: z
    .literal(CONFIG_VERSION, { error: String(CONFIG_VERSION) })
    .describe('Version of the config format.'),
  name: nameOf('a name').describe('Name of the run; its directory is runs/<name>.'),
  seed: integer(0, 0xffffffff)
    .default(7)
    .describe('Seed of the run. The same seed and config give the same adapter, bit for bit.'),
  model,
  engine,
  transport,
  topics,
  stages: z
    .record(nameOf('a stage name'), stage, { error: 'a mapping from stage names to stages' })
    .refine((stages) => Object.keys(stages).length > 0, { error: 'a mapping with one stage of each type' })
    .describe('The stages by name, one of each type.'),
  evaluation,
  guards,
  promotion,
  checkpoints,
  telemetry,
};

/** A topology with every field filled in. */
export const topologySchema = section(topologyShape);

/** A topology as it stands in its files, put together: with the tests, which are no part of a run. */
export const testedTopologySchema = section({ ...topologyShape, tests: testsSchema.optional() });

/** A topology as it may stand in a file: with `extends`, the other file may hold what is missing here. */
const topologyFileSchema = section({
  extends: text('the path of a config file').describe(
    'Path of another config, relative to this one, that this one extends: mappings are merged, unless their type, rule, mode or from differs; anything else is replaced. That file may extend another one in turn.',
  ),
  ...topologyShape,
  tests: testsSchema,
}).partial();

export type ResolvedConfig = z.output<typeof topologySchema>;

/** A topology as it may stand in a file, as a value. */
export type TopologyFile = z.input<typeof topologyFileSchema>;

/** A stage of the given type, with its fields. */
export type StageConfig<Type extends StageType = StageType> = Extract<
  ResolvedConfig['stages'][string],
  { readonly type: Type }
>;

/** Returns the JSON Schema of a config file, for editors: text that ends with a line break. */
export function topologyJsonSchema(): string {
  const schema = z.toJSONSchema(topologyFileSchema, {
    io: 'input',
    override: ({ jsonSchema }) => {
      // The bound of exact integers in JavaScript is no bound of a setting.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  });
  const { $schema, ...rest } = schema;
  return `${JSON.stringify({ $schema, title: 'Tributary topology', ...rest }, null, 2)}\n`;
}
