/** @file The optimizer's state as a safetensors file: `m.<name>`, `v.<name>` and the step count in the metadata. */
import { TributaryError } from '../../errors.js';
import { decodeSafetensors, encodeSafetensors, type SafetensorsTensor } from '../files/safetensors.js';
import type { AdamWState, NamedArrays } from './adamw.js';

/** Returns the bytes of a state. Equal states give equal bytes. */
export function encodeAdamWState({ step, firstMoments, secondMoments }: AdamWState): Uint8Array {
  const tensors = new Map<string, SafetensorsTensor>();
  for (const [kind, moments] of Object.entries({ m: firstMoments, v: secondMoments })) {
    for (const [name, data] of Object.entries(moments))
      tensors.set(`${kind}.${name}`, { dtype: 'F32', shape: [data.length], data });
  }
  return encodeSafetensors({ tensors, metadata: { step: `${step}` } });
}

/**
 * Reads the state of the given parameters from the file `where`.
 *
 * Errors: TRIB_FILE if the file is damaged; TRIB_CHECKPOINT if its names or lengths are not those of the parameters.
 */
export function decodeAdamWState(bytes: Uint8Array, parameters: NamedArrays, where: string): AdamWState {
  const { tensors, metadata } = decodeSafetensors(bytes, where);
  const names = Object.keys(parameters);
  if (tensors.size !== 2 * names.length) {
    throw foreignState(where, `${2 * names.length} moments`, `${tensors.size}`);
  }
  const moments = (kind: 'm' | 'v'): NamedArrays =>
    Object.fromEntries(
      Object.entries(parameters).map(([name, { length }]) => {
        const tensor = tensors.get(`${kind}.${name}`);
        if (tensor?.dtype === 'F32' && tensor.data.length === length) return [name, tensor.data];
        throw foreignState(`${where} ${kind}.${name}`, `F32 [${length}]`, tensorInWords(tensor));
      }),
    );
  const { step = 'none' } = metadata;
  if (!/^\d+$/.test(step)) throw foreignState(`${where} step`, 'a step count', step);
  return { step: Number(step), firstMoments: moments('m'), secondMoments: moments('v') };
}

export function tensorInWords(tensor: SafetensorsTensor | undefined): string {
  return tensor === undefined ? 'none' : `${tensor.dtype} [${tensor.shape.join(', ')}]`;
}

/** Returns the fault of a file that a run with other settings wrote. */
export function foreignState(where: string, expected: string, got: string): TributaryError {
  const nextStep = 'Resume with the config that wrote the checkpoint, or start a new run directory.';
  return new TributaryError('TRIB_CHECKPOINT', `${where}: expected ${expected}, got ${got}. ${nextStep}`);
}
