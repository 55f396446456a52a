/** @file A checkpoint of pretraining: one safetensors file with weights, their average and the optimizer's moments. */

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { TributaryError } from '../../errors.js';
import { writeFileAtomic } from '../files/atomic.js';
import { decodeSafetensors, encodeSafetensors, type SafetensorsTensor } from '../files/safetensors.js';
import type { NamedArrays } from '../optimizers/adamw.js';
import type { FitState } from './fit.js';

const PARTS = ['weights', 'average', 'firstMoments', 'secondMoments'] as const;

/** Writes a checkpoint in place of the last one, atomically. `fingerprint` identifies its settings. */
export async function writeFitState(path: string, state: FitState, fingerprint: string): Promise<void> {
  const { weights, average, optimizer } = state;
  const arrays = { weights, average, ...optimizer };
  const tensors = new Map<string, SafetensorsTensor>();
  for (const part of PARTS) {
    for (const [name, data] of Object.entries(arrays[part]))
      tensors.set(`${part}/${name}`, { dtype: 'F32', shape: [data.length], data });
  }
  const metadata = { step: String(state.step), fingerprint };
  await writeFileAtomic(path, encodeSafetensors({ tensors, metadata }));
}

/** Reads a checkpoint; undefined if there is none. Errors: TRIB_CHECKPOINT if it belongs to other settings. */
export async function readFitState(path: string, fingerprint: string): Promise<FitState | undefined> {
  if (!existsSync(path)) return undefined;
  const { tensors, metadata } = decodeSafetensors(await readFile(path), path);
  if (metadata.fingerprint !== fingerprint) {
    const text = `${path}: expected a checkpoint of the same settings, got one of others. Remove it, or restore the settings it was made with.`;
    throw new TributaryError('TRIB_CHECKPOINT', text);
  }
  const part = (name: (typeof PARTS)[number]): NamedArrays =>
    Object.fromEntries(
      [...tensors].flatMap(([key, tensor]) =>
        key.startsWith(`${name}/`) ? [[key.slice(name.length + 1), tensor.data as Float32Array]] : [],
      ),
    );
  const step = Number(metadata.step);
  return {
    step,
    weights: part('weights'),
    average: part('average'),
    optimizer: { step, firstMoments: part('firstMoments'), secondMoments: part('secondMoments') },
  };
}
