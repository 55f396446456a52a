/** @file What the UNet of a one-file checkpoint predicts, and for which size: the file says so at best in passing. */
import { readFile } from 'node:fs/promises';
import { TributaryError } from '../../errors.js';
import { floatValues } from '../files/safetensors.js';
import type { SafetensorsFile } from '../files/safetensors-file.js';
import type { TensorViews } from '../networks/component-weights.js';
import type { CheckpointFamily, Prediction } from './checkpoint-families.js';

export const PREDICTIONS = ['epsilon', 'v_prediction'] as const;
export type PredictionChoice = (typeof PREDICTIONS)[number];

interface FoundPrediction {
  readonly prediction: Prediction;
  /** Whether the last training timestep is pure noise. */
  readonly isZeroSnr: boolean;
  readonly notes: readonly string[];
}

/** Standard deviation of the biases below, beyond which the model predicts v (ComfyUI, comfy/supported_models.py, SD20). */
const SPREAD_OF_V = 0.09;
const LAST_NORM = /^up_blocks\.(\d+)\.attentions\.(\d+)\.transformer_blocks\.0\.norm1\.bias$/;

/**
 * Finds the prediction, in this order: what the caller says; `<name>.yaml` beside the file, LDM's or SGM's config; the keys
 * `v_pred` and `ztsnr` that SDXL models carry; `modelspec.prediction_type` in the file's metadata; for SD 2.x the spread of
 * one bias, as ComfyUI tells its two kinds apart; else epsilon.
 *
 * Errors: TRIB_MODEL if the config beside the file cannot be read.
 */
export async function predictionOf(
  file: SafetensorsFile,
  family: CheckpointFamily,
  unet: TensorViews,
  chosen: PredictionChoice | undefined,
): Promise<FoundPrediction> {
  const { path, records, metadata } = file;
  const isZeroSnr = records.has('ztsnr');
  const said =
    chosen ??
    (await predictionBeside(path)) ??
    (records.has('v_pred') || isZeroSnr ? 'v_prediction' : null) ??
    predictionIn(metadata);
  if (said !== null) return { prediction: said, isZeroSnr: isZeroSnr && said === 'v_prediction', notes: [] };
  const spread = family.title === 'SD 2.x' ? await spreadOfLastNorm(file, unet) : null;
  if (spread === null) return { prediction: 'epsilon', isZeroSnr: false, notes: [] };
  const prediction = spread > SPREAD_OF_V ? 'v_prediction' : 'epsilon';
  const note =
    `${path}: read as a model that predicts ${prediction}, by its weights (a spread of ${spread.toPrecision(2)} in one norm, and ${SPREAD_OF_V} between the two kinds), as ComfyUI does. ` +
    `If pictures are noise, say what it predicts: put its .yaml beside it (parameterization: "v"), or use convert --prediction.`;
  return { prediction, isZeroSnr: false, notes: [note] };
}

/** The config that web UIs look for beside a checkpoint. */
async function predictionBeside(path: string): Promise<Prediction | null> {
  const beside = path.replace(/\.safetensors$/i, '.yaml');
  const text = beside === path ? null : await readFile(beside, 'utf8').catch(() => null);
  if (text === null) return null;
  const content = await contentOf(beside, text);
  // A run of this checkpoint may be configured in a file of its name.
  if (['stages', 'extends'].some((key) => valueAt(content, [key]) !== undefined)) return null;
  const params = valueAt(content, ['model', 'params']);
  const kind = valueAt(params, ['parameterization']);
  const scaling = JSON.stringify(valueAt(params, ['denoiser_config']) ?? null);
  if (kind === 'v' || /VScaling/.test(scaling)) return 'v_prediction';
  if (params !== undefined && (kind === undefined || kind === 'eps')) return 'epsilon';
  const fault = `${beside} model.params.parameterization: expected "v" or "eps", got ${JSON.stringify(kind) ?? 'no model.params'}. Use the config that was published with the checkpoint, or take the file away.`;
  throw new TributaryError('TRIB_MODEL', fault);
}

async function contentOf(path: string, text: string): Promise<unknown> {
  // Every thread that opens a pipeline starts with this module, and hardly one meets such a file.
  const { parse } = await import('yaml');
  try {
    return parse(text);
  } catch (cause) {
    const fault = `${path}: expected YAML, the config of the checkpoint beside it, got ${text.length} characters that do not parse. Correct the file, or take it away.`;
    throw new TributaryError('TRIB_MODEL', fault, { cause });
  }
}

const valueAt = (value: unknown, keys: readonly string[]): unknown =>
  keys.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, key) : undefined),
    value,
  );

type Metadata = SafetensorsFile['metadata'];

/** Stability AI's ModelSpec 1.0.0, which kohya's scripts write. */
function predictionIn({ 'modelspec.prediction_type': kind }: Metadata): Prediction | null {
  if (kind === 'v') return 'v_prediction';
  return kind === 'epsilon' ? 'epsilon' : null;
}

/**
 * Height and width of the latents for `modelspec.resolution`, "<width>x<height>"; null where there is none.
 * @param downscaling pixels of a latent, along one axis.
 */
export function sampleSizeIn(
  { 'modelspec.resolution': text = '' }: Metadata,
  downscaling: number,
): readonly [number, number] | null {
  const [, width, height] = /^(\d{1,5})x(\d{1,5})$/.exec(text) ?? [];
  const sizes = [Number(height), Number(width)] as const;
  return sizes.every((size) => size > 0 && size % downscaling === 0)
    ? [sizes[0] / downscaling, sizes[1] / downscaling]
    : null;
}

/** The standard deviation of a bias in the last transformer that PyTorch computes. */
async function spreadOfLastNorm(file: SafetensorsFile, unet: TensorViews): Promise<number | null> {
  const found = [...unet.keys()].flatMap((name) => {
    const [, block, index] = LAST_NORM.exec(name) ?? [];
    return block === undefined ? [] : [{ name, place: Number(block) * 1000 + Number(index) }];
  });
  const last = found.sort((a, b) => a.place - b.place).at(-1);
  const view = last && unet.get(last.name);
  const values = view && floatValues(await file.readRecord(view));
  if (!values || values.length === 0) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / values.length);
}
