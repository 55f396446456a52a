/**
 * @file A model in one safetensors file, as LDM and SGM name its tensors: the files that a folder of diffusers would have,
 * without writing them. Nothing but the header and one small tensor is read.
 */
import { ImpliedJson } from '../files/json-file.js';
import { openSafetensors, type SafetensorsFile } from '../files/safetensors-file.js';
import { unreadType } from '../files/safetensors-header.js';
import type { TensorView, TensorViews } from '../networks/component-weights.js';
import {
  type CheckpointFamily,
  EMA_PREFIX,
  type EncoderPlace,
  familyOf,
  refused,
  refuseOthers,
  UNET_PREFIX,
  VAE_PREFIXES,
} from './checkpoint-families.js';
import { withDots } from './ema-names.js';
import {
  type ConfigJson,
  impliedIndex,
  impliedScheduler,
  impliedTextEncoder,
  impliedUnet,
  impliedVae,
  Shapes,
  usedLayers,
} from './implied-configs.js';
import { type PredictionChoice, predictionOf, sampleSizeIn } from './prediction.js';
import { clipViews, openClipViews } from './text-encoder-names.js';
import { unetNames } from './unet-names.js';
import { findVaeFile, vaeViews } from './vae-names.js';

export interface CheckpointOptions {
  /** What the UNet predicts; by default what `predictionOf` finds. */
  readonly prediction?: PredictionChoice | undefined;
  /** Another file with the VAE; by default one beside the checkpoint (`findVaeFile`). */
  readonly vae?: string | undefined;
  /** Whether to take the averaged weights where the file has both. */
  readonly ema?: boolean | undefined;
}

/** The tensors of one network. */
export interface CheckpointPart {
  /** The file that holds them. */
  readonly path: string;
  readonly views: TensorViews;
}

export interface Checkpoint {
  readonly path: string;
  readonly family: CheckpointFamily;
  /** The networks by the names of their folders. */
  readonly parts: ReadonlyMap<string, CheckpointPart>;
  /** The JSON files of the folder, by path in it. */
  readonly configs: ReadonlyMap<string, ConfigJson>;
  /** The padding token of each tokenizer, by the name of its folder. */
  readonly padTokens: ReadonlyMap<string, string>;
  /** Sentences about what was chosen and the file does not say. */
  readonly notes: readonly string[];
}

/** A config of the checkpoint as a file, for reading. */
export const impliedFile = ({ path, configs }: Checkpoint, name: string): ImpliedJson =>
  new ImpliedJson(`${path} (as ${name})`, configs.get(name));

/**
 * Reads what a one-file checkpoint holds.
 *
 * Errors: TRIB_MODEL, if it is of another kind or lacks a part, naming what it is; TRIB_FILE as `openSafetensors`.
 */
export async function readCheckpoint(path: string, options: CheckpointOptions = {}): Promise<Checkpoint> {
  const file = await openSafetensors(path, true);
  try {
    return await checkpointOf(path, file, options);
  } finally {
    await file.close();
  }
}

/** As `readCheckpoint`, for an open file. */
export async function checkpointOf(
  path: string,
  file: SafetensorsFile,
  options: CheckpointOptions,
): Promise<Checkpoint> {
  refuseOthers(path, new Map([...file.records].map(([name, { shape }]) => [name, shape])));
  const family = familyOf(path, [...file.records.keys()]);
  for (const [name, dtype] of file.leftOut) if (isWeight(name)) throw unreadType(path, name, dtype);
  const unet = unetViews(file.records, options.ema ?? false);
  const parts = new Map([['unet', { path, views: unet }]]);
  const configs = new Map<string, ConfigJson>();
  const padTokens = new Map<string, string>();
  for (const [index, encoder] of family.encoders.entries()) {
    const suffix = index === 0 ? '' : `_${index + 1}`;
    const views = encoderViews(file.records, encoder);
    parts.set(`text_encoder${suffix}`, { path, views });
    configs.set(`text_encoder${suffix}/config.json`, impliedTextEncoder(new Shapes(path, views), encoder));
    padTokens.set(`tokenizer${suffix}`, encoder.padToken);
  }
  const vae = await vaePart(path, file.records, options.vae);
  parts.set('vae', vae);
  const { prediction, isZeroSnr, notes } = await predictionOf(file, family, unet, options.prediction);
  const downscaling = 2 ** (new Shapes(vae.path, vae.views).count('decoder.up_blocks.') - 1);
  const sampleSize = sampleSizeIn(file.metadata, downscaling) ?? squareOf(family.sampleSize[prediction]);
  const pooled = parts.get('text_encoder_2')?.views.get('text_projection.weight')?.shape[0] ?? null;
  configs.set('unet/config.json', impliedUnet(new Shapes(path, unet), family, sampleSize, pooled));
  configs.set('vae/config.json', impliedVae(new Shapes(vae.path, vae.views), family));
  const scheduler = impliedScheduler(family.schedulerClass, prediction, isZeroSnr);
  configs.set('scheduler/scheduler_config.json', scheduler);
  const channels = unet.get('conv_in.weight')?.shape[1] ?? 0;
  configs.set('model_index.json', impliedIndex(family, family.schedulerClass, channels));
  requireOneWidth(path, configs);
  const apart = `${vae.path} is used in place of the VAE that belongs to ${path}, if it has one.`;
  return { path, family, parts, configs, padTokens, notes: vae.path === path ? notes : [...notes, apart] };
}

/** Tensors beside the weights may be of any type, such as the counter of an average. */
const isWeight = (name: string) =>
  [UNET_PREFIX, ...VAE_PREFIXES].some((prefix) => name.startsWith(prefix)) ||
  (/^(cond_stage_model|conditioner)\./.test(name) && !name.endsWith('position_ids'));

const squareOf = (size: number) => [size, size] as const;

/** The tensors whose names begin so, without the prefix. */
function within(records: TensorViews, prefix: string): TensorViews {
  const found = [...records].filter(([name]) => name.startsWith(prefix));
  return new Map(found.map(([name, record]) => [name.slice(prefix.length), record]));
}

/** The same for the first of several prefixes that there is. */
const firstWithin = (records: TensorViews, prefixes: readonly string[]): TensorViews =>
  prefixes.map((prefix) => within(records, prefix)).find(({ size }) => size > 0) ?? new Map();

/** The UNet's tensors; averaged ones where they are asked for, or there are no others. */
function unetViews(records: TensorViews, prefersEma: boolean): TensorViews {
  const plain = within(records, UNET_PREFIX);
  const averaged = new Map(
    [...within(records, `${EMA_PREFIX}diffusion_model`)].flatMap(([flat, record]) => {
      const name = withDots(flat);
      return name === null ? [] : [[name, record] as const];
    }),
  );
  const chosen = averaged.size > 0 && (prefersEma || plain.size === 0) ? averaged : plain;
  const names = unetNames(chosen.keys());
  return new Map([...chosen].map(([name, record]) => [names.get(name) ?? name, record]));
}

const LAYER = /^text_model\.encoder\.layers\.(\d+)\./;

function encoderViews(records: TensorViews, encoder: EncoderPlace): TensorViews {
  const { prefixes, names, hasProjection, dropsLastLayer } = encoder;
  const own = firstWithin(records, prefixes);
  const views = names === 'open-clip' ? openClipViews(own) : clipViews(own);
  const used = usedLayers(new Shapes('', views).count('text_model.encoder.layers.'), dropsLastLayer);
  const isUsed = ([name]: readonly [string, TensorView]) =>
    (hasProjection || !name.startsWith('text_projection')) && Number(LAYER.exec(name)?.[1] ?? 0) < used;
  return new Map([...views].filter(isUsed));
}

/** The VAE that is named, lies beside the checkpoint, or is in it. */
async function vaePart(
  path: string,
  records: TensorViews,
  named: string | undefined,
): Promise<CheckpointPart> {
  const apart = named ?? (await findVaeFile(path));
  if (apart === null) {
    const views = vaeViews(firstWithin(records, VAE_PREFIXES));
    if (views.size > 0) return { path, views };
    const nextStep =
      'Put its VAE beside it under that name, with .vae.safetensors at the end, or name one with convert --vae.';
    throw refused(path, 'none of a VAE (tensors "first_stage_model...")', nextStep);
  }
  const file = await openSafetensors(apart, true);
  try {
    const inside = firstWithin(file.records, VAE_PREFIXES);
    const views = vaeViews(inside.size > 0 ? inside : file.records);
    if (views.has('decoder.conv_in.weight')) return { path: apart, views };
    const [first = 'none'] = file.records.keys();
    const nextStep = 'Use the VAE of a Stable Diffusion, with the names of LDM or diffusers.';
    throw refused(apart, `no tensor "decoder.conv_in.weight" but others, such as "${first}"`, nextStep);
  } finally {
    await file.close();
  }
}

/** The UNet must take what the text encoders give, and the latents that the VAE decodes. */
function requireOneWidth(path: string, configs: ReadonlyMap<string, ConfigJson>): void {
  const at = (name: string, key: string) => Number(configs.get(name)?.[key] ?? 0);
  const given =
    at('text_encoder/config.json', 'hidden_size') + at('text_encoder_2/config.json', 'hidden_size');
  const taken = at('unet/config.json', 'cross_attention_dim');
  if (given !== taken)
    throw refused(
      path,
      `a UNet for text embeddings of ${taken} numbers with text encoders that give ${given}`,
      'Its parts are of different models: use another file.',
    );
  const [latents, decoded] = [
    at('unet/config.json', 'out_channels'),
    at('vae/config.json', 'latent_channels'),
  ];
  if (latents !== decoded)
    throw refused(
      path,
      `a UNet for latents of ${latents} channels with a VAE that decodes ${decoded}`,
      'Use the VAE of its kind.',
    );
}
