/** @file Whether the files that a config names are there, and can be read. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type ErrorCode, type Said, SettingError, TributaryError } from '../../errors.js';
import type { Adapter } from '../../models/graph/weights/lora.js';
import { denoiserLayers, textEncoderLayers } from '../../models/pipeline/adapted-layers.js';
import type { EmbeddingPlace } from '../../models/pipeline/embeddings/embedding-file.js';
import { promptCheck } from '../../models/pipeline/embeddings/fitting-embeddings.js';
import { fittingChannels } from '../../models/pipeline/extra-channels.js';
import { noPipelineFault, requireNoOther } from '../../models/pipeline/no-pipeline.js';
import { sizedFolder } from '../../models/pipeline/picture-size.js';
import { readPipelineFolder } from '../../models/pipeline/pipeline-folder.js';
import { readPipelineScheduler, readPipelineTokenizer } from '../../models/pipeline/pipeline-index.js';
import { bucketsOf, sizeOf } from '../config/resolved/size-of.js';
import { findStage } from '../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import { type FaultDetail, type Path, writePath } from '../config/source/fault.js';
import type { NamedFile } from '../config/source/named-files.js';
import { pathOfKey } from '../config/source/overrides.js';
import { adapterPathOf } from '../directory/adapter-path.js';
import { loraOf } from '../directory/read-adapter.js';
import { readPromptFile } from '../prompt-files/prompt-file.js';
import { readPrompts } from '../prompt-files/read-prompts.js';
import { requireStart } from '../stages/trainer/starting-parameters.js';

/** What a config says of its model. */
interface Context {
  /** The config itself, where it is in order: prompts may ask for its rewards. */
  readonly config?: ResolvedConfig | undefined;
  /** Throws for a prompt that the model cannot read. */
  readonly check: (prompt: string) => void;
  /** Throws for a textual inversion that does not fit the model. */
  readonly checkEmbedding: (file: NamedFile) => Promise<void>;
  readonly layers: AdaptedLayers;
}

/** What the run would adapt. */
interface AdaptedLayers {
  /** Null where that cannot be known without the weights, or there is a fault. */
  readonly adapters: readonly Adapter[] | null;
  readonly faults: readonly unknown[];
}

/**
 * Returns what is wrong with each of the files that a config names, by its place, as `writePath` writes it. A fault stands at
 * the setting that is to be changed, which may be another one than the file's.
 */
export async function findFileFaults(
  files: readonly NamedFile[],
  config: ResolvedConfig | undefined,
): Promise<Map<string, readonly FaultDetail[]>> {
  const pipeline = files.find(({ path }) => writePath(path) === 'model.pipeline')?.name;
  const embeddings = files.filter(({ path }) => path[1] === 'embeddings');
  const check = await wordCheck(pipeline, embeddings);
  const layers = await adaptedLayers(pipeline, config);
  const checkEmbedding = async (file: NamedFile) => {
    // What is wrong with the pipeline is said of that.
    const isThere = pipeline !== undefined && (await readPipelineFolder(pipeline).catch(() => null));
    if (!isThere) return;
    await promptCheck(pipeline, [embeddingAt(file)]);
    // What two of them have in common is said once.
    if (file === embeddings.at(-1)) await promptCheck(pipeline, embeddings.map(embeddingAt));
  };
  const entries = files.map(async (file) => {
    const faults = await faultsOfFile(file, { config, check, checkEmbedding, layers });
    return [writePath(file.path), faults] as const;
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

async function adaptedLayers(
  pipeline: string | undefined,
  config: ResolvedConfig | undefined,
): Promise<AdaptedLayers> {
  const lora = config && loraOf(config);
  // What else is wrong with a folder is said when it is opened.
  const folder = lora && pipeline !== undefined && (await readPipelineFolder(pipeline).catch(() => null));
  if (!folder) return { adapters: null, faults: [] };
  const named = (setting: string, find: typeof denoiserLayers) =>
    atSetting(setting, 'TRIB_LORA', 'what names layers of the model', () => find(folder, lora));
  const found = await Promise.allSettled([
    named('model.lora.pattern', denoiserLayers),
    named('model.lora.textEncoder', textEncoderLayers),
  ]);
  const faults = thrown(found);
  const [ofDenoiser, ofTexts] = found.map((one) => (one.status === 'fulfilled' ? one.value : null));
  return { adapters: ofDenoiser && ofTexts ? [...ofDenoiser, ...ofTexts] : null, faults };
}

/** Returns what is wrong with a file, as far as can be seen without running anything. */
async function faultsOfFile(file: NamedFile, context: Context): Promise<readonly FaultDetail[]> {
  const { path, name, leadsTo } = file;
  if (leadsTo === 'made') return [];
  const wanted = leadsTo === 'either' ? 'a file or folder' : `a ${leadsTo}`;
  const found = await stat(name).catch((error: NodeJS.ErrnoException) => error.code ?? error.message);
  if (typeof found === 'string') {
    const known = path.at(-1) === 'pipeline' ? await noPipelineFault(name) : null;
    if (known) return contentFaults(file, context);
    const nextStep =
      'Correct the path, which is relative to the file that holds it, or leave files out with --no-files.';
    return [badValue(path, { expected: `${wanted} that is there`, got: `${found} at ${name}`, nextStep })];
  }
  const isFolder = found.isDirectory();
  if ((leadsTo === 'folder' && !isFolder) || (leadsTo === 'file' && isFolder)) {
    const got = `a ${isFolder ? 'folder' : 'file'} at ${name}`;
    return [badValue(path, { expected: wanted, got, nextStep: 'Correct the path.' })];
  }
  return contentFaults(file, context);
}

const badValue = (path: Path, said: Said): FaultDetail => ({ kind: 'bad-value', path, ...said });

/** What can be read without running it: prompts, the index of a pipeline with its scheduler and words, where an adapter is. */
async function contentFaults(file: NamedFile, context: Context): Promise<readonly FaultDetail[]> {
  const { path, name } = file;
  const { config, check, checkEmbedding, layers } = context;
  const field = path.at(-1);
  try {
    if (field === 'pipeline') return (await pipelineFaults(name, context)).map((one) => faultAt(file, one));
    if (path[1] === 'embeddings') await checkEmbedding(file);
    if (field === 'startFrom' && config) await requireStart(name, loraOf(config), layers.adapters);
    else if (field === 'startFrom') await adapterPathOf(name);
    if (field === 'train' || field === 'heldOut' || (field === 'file' && path.includes('sources')))
      await (config
        ? readPrompts(name, config, check)
        : readPromptFile(name, { comments: true, check: ({ prompt }) => check(prompt) }));
    return [];
  } catch (error) {
    return [faultAt(file, error)];
  }
}

/** Puts a fault at the setting that it names, else at the file's. */
function faultAt({ path, name }: NamedFile, error: unknown): FaultDetail {
  if (error instanceof SettingError) return badValue(pathOfKey(error.setting).map(asIndex), error.said);
  const expected = 'what can be read';
  if (error instanceof TributaryError)
    return badValue(path, { expected, got: `"${error.message}"`, nextStep: 'Correct what it names.' });
  const nextStep =
    'Name the folder of a pipeline, or a checkpoint in one .safetensors file, see docs/models.md.';
  return badValue(path, { expected, got: `no model_index.json in ${name}`, nextStep });
}

const asIndex = (part: string) => (/^\d+$/.test(part) ? Number(part) : part);

/** Returns what is wrong with a pipeline; where it is in order, with each thing that the config says of it. */
async function pipelineFaults(name: string, { config, check, layers }: Context): Promise<readonly unknown[]> {
  await requireNoOther(name);
  if ((await stat(name)).isDirectory()) await stat(join(name, 'model_index.json'));
  await readPipelineScheduler(name, () => {});
  await readPipelineTokenizer(name);
  if (!config) return [];
  const checks = [...(await fitChecks(name, config)), () => requireReadable(config, check)];
  return [...thrown(await Promise.allSettled(checks.map(async (one) => one()))), ...layers.faults];
}

/**
 * What a config says of its model must fit it: the sizes of pictures, and numbers for the channels that are no latents.
 * Errors: as `readPipelineFolder`.
 */
async function fitChecks(path: string, config: ResolvedConfig): Promise<(() => unknown)[]> {
  const training = sizeOf(config);
  const buckets = bucketsOf(config);
  const { width = training.width, height = training.height } = config.evaluation;
  const { extraChannels } = config.model;
  const folder = await readPipelineFolder(path);
  const stage = `stages.${findStage(config, 'sampler')?.name}`;
  const isOwn = config.evaluation.width === undefined && config.evaluation.height === undefined;
  return [
    () => fittingChannels(folder, extraChannels),
    ...buckets.map((bucket, index) => () => sizedFolder(folder, bucket, `${stage}.buckets[${index}]`)),
    ...(buckets.length === 0 ? [() => sizedFolder(folder, training, stage)] : []),
    ...(isOwn ? [] : [() => sizedFolder(folder, { width, height }, 'evaluation')]),
  ];
}

/** Errors: TRIB_PROMPT for a negative prompt that the model cannot read. */
async function requireReadable(config: ResolvedConfig, check: Context['check']): Promise<void> {
  const { name, negativePrompt } = findStage(config, 'sampler') ?? {};
  if (!negativePrompt) return;
  const setting = `stages.${name}.negativePrompt`;
  await atSetting(setting, 'TRIB_PROMPT', 'what the model can read', async () => check(negativePrompt));
}

/** Says of faults of a kind that they are those of a setting. */
async function atSetting<Result>(
  setting: string,
  kind: ErrorCode,
  expected: string,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof TributaryError) || cause.code !== kind) throw cause;
    throw new SettingError(setting, { expected, got: `"${cause.message}"`, nextStep: 'Correct it.' }, kind);
  }
}

const thrown = (settled: readonly PromiseSettledResult<unknown>[]): unknown[] =>
  settled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
