/** @file A policy as parameters and as a file: an adapter, or the weights of the UNet themselves. */

import { named } from '../../at.js';
import { TributaryError } from '../../errors.js';
import type { BesideLoraFile } from '../adapters/adapter-file.js';
import { someOf } from '../adapters/lora-layer.js';
import {
  decodeSafetensors,
  encodeSafetensors,
  floatValues,
  type SafetensorsTensor,
} from '../files/safetensors.js';
import { headerEnd, LENGTH_BYTES, parseSafetensorsHeader } from '../files/safetensors-header.js';
import type { FreeWeight } from '../graph/weights/free-weights.js';
import type { LoraSettings } from '../graph/weights/lora.js';
import type { PolicyInputs } from '../graph/weights/policy-network.js';
import { type ComponentChanges, transpose, type WeightChange } from '../graph/weights/weight-change.js';
import { DENOISER_FAMILIES } from '../networks/denoiser-family.js';
import type { NamedArrays } from '../optimizers/adamw.js';
import {
  adapterParameters,
  decodeAdapter,
  encodeParameters,
  type FileAdapter,
  initialParameters,
} from './adapter-parameters.js';

/** What a policy file holds: an adapter, or the weights themselves; the other is null. */
export type FilePolicy =
  | { readonly adapter: FileAdapter; readonly weights: null }
  | { readonly adapter: null; readonly weights: readonly FileWeight[] };

/** A weight under PyTorch's name. */
interface FileWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Metadata of trained weights, with the component as its value: tells them from the weights of any other model. */
const MARK = 'tributary';

/** The untouched model: a fresh adapter, or the weights that the network has. */
export function startingPolicy(
  { adapters, weights }: Omit<PolicyInputs, 'component'>,
  lora: LoraSettings | null,
  seed: number,
): NamedArrays {
  if (lora) return initialParameters(adapters, lora, seed);
  return Object.fromEntries(weights.map(({ input, initial }) => [input, initial.slice()]));
}

/** Bytes of a policy file; weights under PyTorch's names and in its shapes, as diffusers loads them. */
export function encodePolicy(
  inputs: PolicyInputs,
  parameters: NamedArrays,
  lora: LoraSettings | null,
): Uint8Array {
  if (lora) return encodeParameters(inputs, parameters, lora);
  const tensors = inputs.weights.map(({ name, input, shape }: FreeWeight): [string, SafetensorsTensor] => [
    name,
    { dtype: 'F32', shape, data: named(parameters, input) },
  ]);
  return encodeSafetensors({
    tensors: new Map(tensors),
    metadata: { format: 'pt', [MARK]: inputs.component },
  });
}

/**
 * Reads a policy file of either kind.
 *
 * Errors: TRIB_FILE if it is damaged; TRIB_LORA if it is neither.
 */
export function decodePolicy(bytes: Uint8Array, where: string, beside?: BesideLoraFile): FilePolicy {
  if (holdsWeights(bytes)) return { adapter: null, weights: weightTensors(bytes, where) };
  return { adapter: decodeAdapter(bytes, where, beside), weights: null };
}

/**
 * Returns the parameters of a policy by the names and in the layouts of a network's inputs. Weights that the network lacks are
 * included, so that `policyFeeds` can report them.
 *
 * Errors: TRIB_LORA, naming the layers or the weights that the file has in the size of another.
 */
export function policyParameters(policy: FilePolicy, inputs: PolicyInputs, where: string): NamedArrays {
  if (policy.adapter) return adapterParameters(policy.adapter, inputs.adapters, where);
  const shapes = new Map(inputs.weights.map(({ name, shape }) => [name, shape]));
  const faults = policy.weights.flatMap(({ name, shape }) => {
    const wanted = shapes.get(name);
    const isWanted = wanted === undefined || withoutOnes(wanted) === withoutOnes(shape);
    return isWanted ? [] : [`${name} [${shape.join(', ')}] for [${wanted.join(', ')}]`];
  });
  if (faults.length > 0) {
    throw new TributaryError(
      'TRIB_LORA',
      `${where}: expected weights in the shapes of the model, got others: ${someOf(faults)}. Use weights that were trained on this model.`,
    );
  }
  return Object.fromEntries(policy.weights.map(({ name, data }) => [`${inputs.component}.${name}`, data]));
}

/** A linear layer may be stored as a 1 x 1 convolution. */
const withoutOnes = (shape: readonly number[]) => shape.join().replace(/(,1)+$/, '');

/** Whether a file holds the trained weights of a UNet; false for anything else, such as an adapter or a damaged file. */
export const holdsWeights = (bytes: Uint8Array): boolean => markOf(bytes) !== undefined;

function markOf(bytes: Uint8Array) {
  try {
    const end = headerEnd(bytes, bytes.length, 'policy');
    const { metadata } = parseSafetensorsHeader(bytes.subarray(LENGTH_BYTES, end), bytes.length, 'policy');
    return DENOISER_FAMILIES.find(({ component }) => component === metadata[MARK]);
  } catch (error) {
    if (error instanceof TributaryError) return undefined;
    throw error;
  }
}

/** Returns the changes that put the weights of a file into a network, by its component. Errors: as `decodePolicy`. */
export function weightChanges(bytes: Uint8Array, where: string): ComponentChanges {
  const changes = weightTensors(bytes, where).map(
    ({ name, shape, data }): WeightChange => ({
      name,
      shapeIn: (layout) => (layout === 'in-out' ? shape.toReversed() : shape),
      apply(weight, layout) {
        const [outputs = 1, inputs = 1] = shape;
        weight.set(layout === 'in-out' ? transpose(data, outputs, inputs) : data);
      },
    }),
  );
  return { [markOf(bytes)?.component ?? '']: changes };
}

function weightTensors(bytes: Uint8Array, where: string): FileWeight[] {
  const tensors = [...decodeSafetensors(bytes, where).tensors];
  const others: string[] = [];
  const read = tensors.flatMap(([name, tensor]): FileWeight[] => {
    const data = floatValues(tensor);
    if (data === null) others.push(name);
    return data === null ? [] : [{ name, shape: tensor.shape, data }];
  });
  if (others.length === 0 && read.length > 0) return read;
  const got = tensors.length === 0 ? 'none' : `others: ${someOf(others)}`;
  throw new TributaryError(
    'TRIB_LORA',
    `${where}: expected weights as floating-point numbers, got ${got}. Take the file that the run wrote.`,
  );
}

/** What a checkpoint keeps of a policy and its training. */
export interface PolicyFiles {
  /** `pytorch_lora_weights.safetensors`, as diffusers loads it; where all weights are trained, these. */
  readonly adapter: Uint8Array;
  /** The optimizer's moments, as safetensors. */
  readonly optimizer: Uint8Array;
  /** What some settings need beside: the trained policy where another one samples, replay buffer, value network, loss scale. */
  readonly extras: Readonly<Record<string, Uint8Array>>;
}
