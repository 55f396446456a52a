/** @file What a value network has learned as a safetensors file: its weights, and the moments and steps of its optimizer. */

import { named } from '../../at.js';
import { decodeSafetensors, encodeSafetensors, type SafetensorsTensor } from '../files/safetensors.js';
import { formatShape } from '../graph/graph.js';
import type { AdamWState, NamedArrays } from '../optimizers/adamw.js';
import { foreignState, tensorInWords } from '../optimizers/adamw-state-file.js';
import type { ValueWeight } from './value-network.js';

export interface ValueState {
  readonly weights: NamedArrays;
  readonly optimizer: AdamWState;
}

const PARTS = ['weights', 'firstMoments', 'secondMoments'] as const;

/** Returns the bytes of a state: `<part>/<weight>` for its three parts, and the step count in the metadata. */
export function encodeValueState(
  { weights, optimizer }: ValueState,
  specs: readonly ValueWeight[],
): Uint8Array {
  const arrays = { weights, ...optimizer };
  const tensors = new Map<string, SafetensorsTensor>();
  for (const part of PARTS) {
    for (const { name, shape } of specs)
      tensors.set(`${part}/${name}`, { dtype: 'F32', shape, data: named(arrays[part], name) });
  }
  return encodeSafetensors({ tensors, metadata: { step: `${optimizer.step}` } });
}

/**
 * Reads the state of a network with these weights.
 *
 * Errors: TRIB_FILE if the file is damaged; TRIB_CHECKPOINT if it belongs to a network of other shapes.
 * `where` is the file's name, for errors.
 */
export function decodeValueState(
  bytes: Uint8Array,
  specs: readonly ValueWeight[],
  where: string,
): ValueState {
  const { tensors, metadata } = decodeSafetensors(bytes, where);
  const part = (kind: (typeof PARTS)[number]): NamedArrays =>
    Object.fromEntries(
      specs.map(({ name, shape }) => {
        const tensor = tensors.get(`${kind}/${name}`);
        if (tensor?.dtype === 'F32' && formatShape(tensor.shape) === formatShape(shape))
          return [name, tensor.data];
        throw foreignState(`${where} ${kind}/${name}`, `F32 ${formatShape(shape)}`, tensorInWords(tensor));
      }),
    );
  const { step = 'none' } = metadata;
  if (!/^\d+$/.test(step)) throw foreignState(`${where} step`, 'a step count', step);
  return {
    weights: part('weights'),
    optimizer: {
      step: Number(step),
      firstMoments: part('firstMoments'),
      secondMoments: part('secondMoments'),
    },
  };
}
