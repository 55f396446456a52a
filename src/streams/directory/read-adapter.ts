import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { TributaryError } from '../../errors.js';
import {
  type AdapterContent,
  type BesideLoraFile,
  decodeAdapterFile,
} from '../../models/adapters/adapter-file.js';
import { isOfDenoiser } from '../../models/adapters/component-names.js';
import { summedLayers } from '../../models/adapters/lora-layer.js';
import { isPickle, readWholeFile } from '../../models/files/read-bytes.js';
import { absence, type StandIn } from '../../models/files/stand-in.js';
import type { LoraSettings } from '../../models/graph/weights/lora.js';
import { adapterChanges, type ComponentChanges } from '../../models/graph/weights/weight-change.js';
import { fileAdapter } from '../../models/policy/adapter-parameters.js';
import {
  decodePolicy,
  type FilePolicy,
  holdsWeights,
  weightChanges,
} from '../../models/policy/policy-file.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import { adapterPathOf } from './adapter-path.js';

/** The file of a policy on disk. */
export interface AdapterFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly beside: BesideLoraFile;
}

/** A policy, and warnings about its file. */
export type ReadPolicy = FilePolicy & { readonly path: string; readonly warnings: readonly string[] };

/**
 * Reads the file of a policy: an adapter in any style that `decodeLoraFile` knows, or all weights of a UNet.
 *
 * Errors: TRIB_FILE if it cannot be read or is damaged; TRIB_LORA if it is no policy of a UNet, or a pickle.
 *
 * @param place the file, or a folder that `adapterPathOf` knows.
 */
export async function readPolicy(place: string): Promise<ReadPolicy> {
  const warnings: string[] = [];
  const { path, bytes, beside } = await readAdapterFile(place, (message) => warnings.push(message));
  return { ...decodePolicy(bytes, path, beside), path, warnings };
}

/** An adapter that someone names, with the strength that its changes get. */
export interface AdapterPlace {
  /** The file, or a folder that `adapterPathOf` knows. */
  readonly path: string;
  readonly strength: number;
}

/** Adapters to use together. */
export interface AdapterChoice {
  readonly places: readonly AdapterPlace[];
  /** Whether layers of text encoders are left out. */
  readonly ignoresTextEncoder: boolean;
}

export const NO_ADAPTERS: AdapterChoice = { places: [], ignoresTextEncoder: false };

/** What adapters are together. */
export interface ReadAdapters {
  /** LoRA of the denoiser, or all of its weights; null where there is none. */
  readonly policy: FilePolicy | null;
  /** All else that they change. */
  readonly changes: ComponentChanges;
  /** Their names, for error texts. */
  readonly where: string;
  readonly warnings: readonly string[];
}

/**
 * Reads adapters in any style that `decodeAdapterFile` knows, and adds them up: every change times its strength. All weights of
 * a UNet stand alone.
 *
 * Errors: as `readPolicy`; TRIB_LORA if all weights of a UNet come with a strength or beside another file, or two adapters have
 * a layer in different sizes.
 */
export async function readAdapters(choice: AdapterChoice): Promise<ReadAdapters> {
  const warnings: string[] = [];
  const files = await readContents(choice, (message) => warnings.push(message));
  const where = files.map(({ path }) => path).join(' and ');
  const [weights] = files.flatMap((file) => ('weights' in file ? [file] : []));
  if (weights) return { policy: decodePolicy(weights.weights, weights.path), changes: {}, where, warnings };
  const adapters = files.flatMap((file) => ('content' in file ? [file] : []));
  const ofDenoiser = adapters.flatMap(({ content, strength }) => {
    const layers = content.layers.filter(({ key }) => isOfDenoiser(key));
    return layers.length > 0 ? [{ layers, strength }] : [];
  });
  const rest = adapters.map(({ content, strength }) => ({
    content: { ...content, layers: content.layers.filter(({ key }) => !isOfDenoiser(key)) },
    strength,
  }));
  const policy =
    ofDenoiser.length === 0 ? null : { adapter: fileAdapter(summedLayers(ofDenoiser)), weights: null };
  return { policy, changes: adapterChanges(rest), where, warnings };
}

/** Reads adapters as changes of weights, to be merged into a model. Errors: as `readAdapters`. */
export async function readChanges(
  choice: AdapterChoice,
  warn: (message: string) => void,
): Promise<ComponentChanges> {
  const files = await readContents(choice, warn);
  const [weights] = files.flatMap((file) => ('weights' in file ? [file] : []));
  if (weights) return weightChanges(weights.weights, weights.path);
  return adapterChanges(files.flatMap((file) => ('content' in file ? [file] : [])));
}

type ReadContent = { readonly path: string } & (
  | { readonly content: AdapterContent; readonly strength: number }
  | { readonly weights: Uint8Array }
);

async function readContents(
  { places, ignoresTextEncoder }: AdapterChoice,
  warn: (message: string) => void,
): Promise<readonly ReadContent[]> {
  const files: ReadContent[] = [];
  for (const { path: place, strength } of places) {
    const { path, bytes, beside } = await readAdapterFile(place, warn);
    if (!holdsWeights(bytes)) {
      const content = decodeAdapterFile(bytes, path, beside);
      files.push({
        path,
        strength,
        content: ignoresTextEncoder ? withoutText(content, path, warn) : content,
      });
    } else if (places.length === 1 && strength === 1) files.push({ path, weights: bytes });
    else {
      throw new TributaryError(
        'TRIB_LORA',
        `${path}: expected an adapter, which can be scaled and added to others, got all weights of a UNet. Name it alone, without a strength.`,
      );
    }
  }
  return files;
}

/** The layers of the denoiser. Errors: TRIB_LORA if there are none. */
function withoutText(content: AdapterContent, path: string, warn: (message: string) => void): AdapterContent {
  const kept = {
    layers: content.layers.filter(({ key }) => isOfDenoiser(key)),
    others: content.others.filter(({ key }) => isOfDenoiser(key)),
  };
  const count = ({ layers, others }: AdapterContent) => layers.length + others.length;
  const left = count(content) - count(kept);
  if (count(kept) === 0) {
    throw new TributaryError(
      'TRIB_LORA',
      `${path}: expected layers of a UNet, got ${left} of text encoders alone. Leave out --ignore-text-encoder.`,
    );
  }
  if (left > 0) warn(`${path}: left out ${left} layers of text encoders, as --ignore-text-encoder says`);
  return kept;
}

/** What the config trains: an adapter, or null for all weights. */
export const loraOf = ({ model }: Pick<ResolvedConfig, 'model'>): LoraSettings | null =>
  model.train === 'full' ? null : model.lora;

/** The settings to open a network with for a policy. The layers of the file replace a pattern. */
export function loraFor({ adapter }: Pick<FilePolicy, 'adapter'>): LoraSettings | null {
  return adapter && { pattern: '', rank: adapter.rank, alpha: adapter.alpha, layers: adapter.layers };
}

/**
 * Reads the bytes of an adapter file and the `adapter_config.json` beside it. A pickle is refused without reading it.
 *
 * Errors: TRIB_FILE if one of them cannot be read; TRIB_LORA for a pickle.
 */
export async function readAdapterFile(place: string, warn: (message: string) => void): Promise<AdapterFile> {
  const path = await adapterPathOf(place);
  const bytes = await readWholeFile(path).catch(async (cause: NodeJS.ErrnoException) => {
    const { got, nextStep } = (await absence(path)) ?? unread(path, cause);
    const text = `${path}: expected an adapter file, got ${got}. ${nextStep}`;
    throw new TributaryError('TRIB_FILE', text, { cause });
  });
  if (!isPickle(bytes)) return { path, bytes, beside: { peftConfig: await peftConfigBeside(path), warn } };
  throw new TributaryError(
    'TRIB_LORA',
    `${path}: expected safetensors, got a pickle (torch.save). A pickle can run arbitrary code when it is read, so it is never read. If you trust it, load it with torch.load(weights_only=True) and save it with safetensors.`,
  );
}

/** What is said of a path that cannot be read: it may be a name of the hub. */
function unread(path: string, { code, message }: NodeJS.ErrnoException): StandIn {
  if (code !== 'ENOENT' && code !== 'ENOTDIR')
    return { got: code ?? message, nextStep: 'Check its permissions.' };
  const [id, name] = /^[\w-][\w.-]*\/([\w-]+)$/.exec(path) ?? [];
  const ofHub = `If it is an adapter of the hub, run hf download ${id} --local-dir adapters/${name}, and name that folder.`;
  const nextStep =
    id && !existsSync(dirname(path)) ? ofHub : 'Name a .safetensors file, or the folder of one.';
  return { got: 'no such file', nextStep };
}

async function peftConfigBeside(adapter: string): Promise<BesideLoraFile['peftConfig']> {
  const path = join(dirname(adapter), 'adapter_config.json');
  try {
    return { path, text: new TextDecoder().decode(await readWholeFile(path)) };
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new TributaryError(
      'TRIB_FILE',
      `${path}: expected the configuration of an adapter, got ${code ?? message}. Check its permissions, or move the adapter elsewhere.`,
      { cause },
    );
  }
}
