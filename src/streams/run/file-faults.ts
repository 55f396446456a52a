/** @file Whether the files that a config names are there, and can be read. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TributaryError } from '../../errors.js';
import type { EmbeddingPlace } from '../../models/pipeline/embeddings/embedding-file.js';
import { promptCheck } from '../../models/pipeline/embeddings/fitting-embeddings.js';
import { fittingChannels } from '../../models/pipeline/extra-channels.js';
import { noPipelineFault, requireNoOther } from '../../models/pipeline/no-pipeline.js';
import { sizedFolder } from '../../models/pipeline/picture-size.js';
import { readPipelineFolder } from '../../models/pipeline/pipeline-folder.js';
import { readPipelineScheduler, readPipelineTokenizer } from '../../models/pipeline/pipeline-index.js';
import { notAdapted } from '../../models/pipeline/text-encoder.js';
import { bucketsOf, sizeOf } from '../config/resolved/size-of.js';
import { findStage } from '../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import { type FaultDetail, writePath } from '../config/source/fault.js';
import type { NamedFile } from '../config/source/named-files.js';
import { adapterPathOf } from '../directory/adapter-path.js';
import { loraOf } from '../directory/read-adapter.js';
import { readPromptFile } from '../prompt-files/prompt-file.js';
import { readPrompts } from '../prompt-files/read-prompts.js';
import { requireStart } from '../stages/trainer/starting-parameters.js';

type FileFault = Omit<FaultDetail, 'path'>;

/** What a config says of its prompts. */
interface PromptContext {
  /** The config itself, where it is in order: prompts may ask for its rewards. */
  readonly config?: ResolvedConfig | undefined;
  /** Throws for a prompt that the model cannot read. */
  readonly check: (prompt: string) => void;
  /** Throws for a textual inversion that does not fit the model. */
  readonly checkEmbedding: (file: NamedFile) => Promise<void>;
}

/** Returns what is wrong with each of the files that a config names, by its place, as `writePath` writes it. */
export async function findFileFaults(
  files: readonly NamedFile[],
  config: ResolvedConfig | undefined,
): Promise<Map<string, FileFault | undefined>> {
  const pipeline = files.find(({ path }) => writePath(path) === 'model.pipeline')?.name;
  const embeddings = files.filter(({ path }) => path[1] === 'embeddings');
  const check = await wordCheck(pipeline, embeddings);
  const checkEmbedding = async (file: NamedFile) => {
    if (pipeline === undefined) return;
    await promptCheck(pipeline, [embeddingAt(file)]);
    // What two of them have in common is said once.
    if (file === embeddings.at(-1)) await promptCheck(pipeline, embeddings.map(embeddingAt));
  };
  const entries = files.map(async (file) => {
    const fault = await findFileFault(file, { config, check, checkEmbedding });
    return [writePath(file.path), fault] as const;
  });
  return new Map(await Promise.all(entries));
}

/** What is wrong with the words of a model that cannot be used is known better than what they mean for prompts. */
async function wordCheck(
  pipeline: string | undefined,
  embeddings: readonly NamedFile[],
): Promise<(prompt: string) => void> {
  if (pipeline === undefined) return () => undefined;
  return promptCheck(pipeline, embeddings.map(embeddingAt)).catch(() => () => undefined);
}

/** The textual inversion that a config names in its list, or by its token. */
function embeddingAt({ path, name }: NamedFile): EmbeddingPlace {
  const key = path.at(-1);
  return { path: name, token: typeof key === 'string' ? key : null };
}

/** Returns what is wrong with a file; undefined where it can be used, as far as can be seen without running anything. */
async function findFileFault(file: NamedFile, prompts: PromptContext): Promise<FileFault | undefined> {
  const { path, name, leadsTo } = file;
  if (leadsTo === 'made') return undefined;
  const wanted = leadsTo === 'either' ? 'a file or folder' : `a ${leadsTo}`;
  const found = await stat(name).catch((error: NodeJS.ErrnoException) => error.code ?? error.message);
  if (typeof found === 'string') {
    const known = path.at(-1) === 'pipeline' ? await noPipelineFault(name) : null;
    if (known) return contentFault(file, prompts);
    return {
      kind: 'bad-value',
      expected: `${wanted} that is there`,
      got: `${found} at ${name}`,
      nextStep:
        'Correct the path, which is relative to the file that holds it, or leave files out with --no-files.',
    };
  }
  const isFolder = found.isDirectory();
  if ((leadsTo === 'folder' && !isFolder) || (leadsTo === 'file' && isFolder)) {
    const got = `a ${isFolder ? 'folder' : 'file'} at ${name}`;
    return { kind: 'bad-value', expected: wanted, got, nextStep: 'Correct the path.' };
  }
  return contentFault(file, prompts);
}

/**
 * What a config says of its model must fit it: the sizes of pictures, and numbers for the channels that are no latents.
 * Errors: as `sizedFolder` and `fittingChannels`.
 */
async function requireFittingModel(path: string, config: ResolvedConfig | undefined): Promise<void> {
  if (config === undefined) return;
  const training = sizeOf(config);
  const buckets = bucketsOf(config);
  const { width = training.width, height = training.height } = config.evaluation;
  const { extraChannels } = config.model;
  const asksNothing = [width, height, extraChannels, buckets[0]].every((asked) => asked === undefined);
  // What else is wrong with a folder is said when it is opened.
  const folder = await readPipelineFolder(path).catch((error) => {
    if (asksNothing) return null;
    throw error;
  });
  if (folder === null) return;
  fittingChannels(folder, extraChannels);
  for (const [index, bucket] of buckets.entries())
    sizedFolder(folder, bucket, `stages.sampler.buckets[${index}]`);
  if (buckets.length === 0) sizedFolder(folder, training, 'stages.sampler');
  sizedFolder(folder, { width, height }, 'evaluation');
}

/** Errors: TRIB_PROMPT, naming the setting, for a negative prompt that the model cannot read. */
function requireReadable(config: ResolvedConfig | undefined, check: PromptContext['check']): void {
  const negative = config && findStage(config, 'sampler')?.negativePrompt;
  if (negative === undefined) return;
  try {
    check(negative);
  } catch (cause) {
    if (!(cause instanceof TributaryError)) throw cause;
    throw new TributaryError(cause.code, `stages.sampler.negativePrompt: ${cause.message}`, { cause });
  }
}

/** Text encoders that are trained must be such as can be. Errors: TRIB_LORA, naming the first that is not. */
async function requireAdaptableTexts(path: string, config: ResolvedConfig | undefined): Promise<void> {
  if (config?.model.train !== 'adapter' || config.model.lora.textEncoder === undefined) return;
  const { textEncoders } = await readPipelineFolder(path);
  const frozen = textEncoders.find(({ architecture }) => architecture === null);
  if (frozen) throw notAdapted(frozen.modelPath);
}

/** What can be read without running it: prompts, the index of a pipeline with its scheduler and words, where an adapter is. */
async function contentFault(
  file: NamedFile,
  { config, check, checkEmbedding }: PromptContext,
): Promise<FileFault | undefined> {
  const { path, name } = file;
  const field = path.at(-1);
  try {
    if (field === 'pipeline') {
      await requireNoOther(name);
      if ((await stat(name)).isDirectory()) await stat(join(name, 'model_index.json'));
      await readPipelineScheduler(name, () => {});
      await readPipelineTokenizer(name);
      await requireFittingModel(name, config);
      requireReadable(config, check);
      await requireAdaptableTexts(name, config);
    }
    if (path[1] === 'embeddings') await checkEmbedding(file);
    if (field === 'startFrom' && config) await requireStart(name, loraOf(config));
    else if (field === 'startFrom') await adapterPathOf(name);
    if (field === 'train' || field === 'heldOut' || (field === 'file' && path.includes('sources')))
      await (config
        ? readPrompts(name, config, check)
        : readPromptFile(name, { comments: true, check: ({ prompt }) => check(prompt) }));
    return undefined;
  } catch (error) {
    const isNoPipeline = !(error instanceof TributaryError);
    return {
      kind: 'bad-value',
      expected: 'what can be read',
      got: isNoPipeline ? `no model_index.json in ${name}` : `"${error.message}"`,
      nextStep: isNoPipeline
        ? 'Name the folder of a pipeline, or a checkpoint in one .safetensors file, see docs/models.md.'
        : 'Correct what it names.',
    };
  }
}
