/** @file Weights of a model's size, of random numbers, in a file as diffusers writes it. */

import { open, rename } from 'node:fs/promises';
import { GraphBuilder } from '../dist/models/graph/ops/builder.js';
import { trainableWeights } from '../dist/models/networks/weights.js';
import { encodeFloat16 } from '../dist/models/numeric/float16.js';
import { counterRandom } from '../dist/models/random/counter-random.js';

/** A prime, so that no row of a weight repeats another. */
const TABLE_LENGTH = 1_048_573;

const TYPES = {
  F32: { bytes: 4, encode: (values) => values },
  F16: { bytes: 2, encode: encodeFloat16 },
};

/**
 * Writes what a network asks for, tensor by tensor: normal numbers of the standard deviation that keeps activations as large
 * as they come, out of one table.
 */
export async function writeRandom(path, network, dtype = 'F32') {
  const { bytes, encode } = TYPES[dtype];
  const specs = [];
  const g = new GraphBuilder();
  network({ g, weights: trainableWeights(g, specs), matrixLayout: 'out-in' });
  const count = (shape) => shape.reduce((product, axis) => product * axis, 1);
  let end = 0;
  const header = {};
  for (const { name, shape } of specs) {
    const start = end;
    end += bytes * count(shape);
    const stored = shape.length === 3 ? shape.slice(0, 1) : shape;
    header[name] = { dtype, shape: stored, data_offsets: [start, end] };
  }
  const text = JSON.stringify(header);
  const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const normal = counterRandom({ seed: 0, purpose: 'parameter-init' }).normal(TABLE_LENGTH);
  const tables = new Map();
  const tableOf = (scale) => {
    const table = tables.get(scale) ?? encode(normal.map((value) => value * scale));
    tables.set(scale, table);
    return table;
  };
  const partial = `${path}.partial`;
  const file = await open(partial, 'w');
  try {
    await file.write(length);
    await file.write(padded);
    for (const [index, { shape, initialization }] of specs.entries()) {
      if ('constant' in initialization) {
        const values = new Float32Array(count(shape)).fill(initialization.constant);
        await file.write(new Uint8Array(encode(values).buffer));
        continue;
      }
      const table = tableOf(initialization.stdDev);
      for (let left = count(shape), from = (index * 7919) % TABLE_LENGTH; left > 0; from = 0) {
        const part = table.subarray(from, from + left);
        await file.write(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
        left -= part.length;
      }
    }
  } finally {
    await file.close();
  }
  await rename(partial, path);
}
