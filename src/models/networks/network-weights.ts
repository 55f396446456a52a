/**
 * @file From a network's definition and a file of weights to the constants of its graph. The definition says which weights
 * it takes, and their shapes; matrices lie as PyTorch stores them, so that large ones can stay in the file.
 */

import { at } from '../../at.js';
import { TributaryError } from '../../errors.js';
import { BYTES_PER_ELEMENT } from '../files/safetensors-header.js';
import { formatShape, type Graph, type HalfType, LARGE_BYTES, type StoredTensor } from '../graph/graph.js';
import { GraphBuilder } from '../graph/ops/builder.js';
import { ELEMENT_BYTES, elementCount, float32, type Tensor } from '../tensor.js';
import { type ComponentWeights, type Owner, readFloats } from './component-weights.js';
import type { LayerContext } from './layers.js';
import { type Crop, constantWeights, trainableWeights, type WeightSpec } from './weights.js';

/** A definition: declares inputs, asks for weights, declares outputs. */
export type Network = (layer: LayerContext) => void;

/** Constants of a graph by the network's names for them, in memory or in the file. */
type NetworkWeights = ReadonlyMap<string, Tensor | StoredTensor>;

const NEXT_STEPS = {
  'config.json': 'Take config.json and weights from one model.',
  'the other tensors':
    'The names are those of diffusers. Copy or download the file again, or use another one.',
};

/** Most mismatches that a message lists. */
const SHOWN = 40;

/** Returns the graph of a network over weights that were read before. */
export function networkGraph(network: Network, weights: NetworkWeights): Graph {
  const g = new GraphBuilder();
  network({ g, weights: constantWeights(g, weights), matrixLayout: 'out-in' });
  return g.build();
}

/**
 * Reads all weights that a network takes.
 *
 * Errors: TRIB_MODEL, listing every weight that is missing, has another shape or is not in the network.
 * @param others names of tensors in the file that the network may leave unused; null if it must use all.
 * @param halves types that large weights may have in the file and stay there (see `StoredTensor.inFile`).
 */
export async function readNetworkWeights(
  network: Network,
  weights: ComponentWeights,
  others: RegExp | null,
  halves: readonly HalfType[] = [],
): Promise<NetworkWeights> {
  const wanted = requireWeights(network, weights, others);
  const read = new Map<string, Tensor | StoredTensor>();
  for (const { spec, name } of wanted) {
    const { shape, crop } = spec;
    if (crop) {
      read.set(spec.name, float32(await readMiddle(weights, name, crop), shape));
      continue;
    }
    const isLarge = elementCount(shape) * ELEMENT_BYTES.float32 >= LARGE_BYTES;
    const place = isLarge ? weights.place(name, halves) : null;
    read.set(spec.name, place ? { ...place, shape } : float32(await weights.read(name), shape));
  }
  return read;
}

/**
 * Checks that a file has all weights that a network takes, and returns where they are, without reading them.
 *
 * Errors: TRIB_MODEL as `readNetworkWeights`.
 */
export function requireWeights(network: Network, weights: ComponentWeights, others: RegExp | null) {
  const wanted = wantedWeights(network).map((spec) => ({ spec, ...storedAs(spec, weights.shapes) }));
  requireFit(wanted, weights, others);
  return wanted;
}

/** Names and shapes, from a graph that is thrown away. */
function wantedWeights(network: Network): readonly WeightSpec[] {
  const specs: WeightSpec[] = [];
  const g = new GraphBuilder();
  network({ g, weights: trainableWeights(g, specs), matrixLayout: 'out-in' });
  return specs;
}

interface StoredWeight {
  readonly name: string;
  readonly shape: readonly number[];
}

/** Names in the files of other versions: of diffusers, for the projections of an autoencoder's attention. */
const FORMER_NAMES: readonly (readonly [now: RegExp, then: string])[] = [
  [/\.to_q\./, '.query.'],
  [/\.to_k\./, '.key.'],
  [/\.to_v\./, '.value.'],
  [/\.to_out\.0\./, '.proj_attn.'],
  // transformers 5 omits the prefix.
  [/^text_model\./, ''],
];

/** How PyTorch stores a weight: as the graph uses it, except that a norm's weight is [C], and that a table is whole. */
function storedAs({ name, shape, crop }: WeightSpec, stored: ComponentWeights['shapes']): StoredWeight {
  const former = FORMER_NAMES.map(([now, then]) => name.replace(now, then));
  const found = [name, ...former].find((candidate) => stored.has(candidate)) ?? name;
  if (crop) return { name: found, shape: [1, crop.side ** 2, at(shape, 2)] };
  return { name: found, shape: shape.length === 3 ? shape.slice(0, 1) : shape };
}

/** Reads the middle of a table, line by line: the whole of it is as large as a network (0.9 GB in SD 3.5 medium). */
async function readMiddle(
  weights: ComponentWeights,
  name: string,
  { side, height, width }: Crop,
): Promise<Float32Array> {
  const owner = weights.owners.get(name) as Owner;
  const { record } = owner;
  const features = at(record.shape, 2);
  const rowBytes = features * BYTES_PER_ELEMENT[record.dtype];
  const [top, left] = [(side - height) >> 1, (side - width) >> 1];
  const values = new Float32Array(height * width * features);
  for (let line = 0; line < height; line++) {
    const start = record.start + ((top + line) * side + left) * rowBytes;
    const part = { ...record, shape: [width, features], start, end: start + width * rowBytes };
    values.set(await readFloats({ ...owner, record: part }), line * width * features);
  }
  return values;
}

function requireFit(
  wanted: readonly (StoredWeight & { readonly spec: WeightSpec })[],
  weights: ComponentWeights,
  others: RegExp | null,
): void {
  const faults: string[] = [];
  const known = new Set<string>();
  for (const { name, shape } of wanted) {
    known.add(name);
    const stored = weights.shapes.get(name);
    if (!stored) faults.push(`"${name}" ${formatShape(shape)} is missing`);
    else if (formatShape(stored) !== formatShape(shape))
      faults.push(`"${name}" is ${formatShape(stored)} instead of ${formatShape(shape)}`);
  }
  for (const [name, shape] of weights.shapes) {
    if (!known.has(name) && !others?.test(name))
      faults.push(`"${name}" ${formatShape(shape)} is not in the network`);
  }
  if (faults.length === 0) return;
  const more = faults.length > SHOWN ? [`and ${faults.length - SHOWN} more`] : [];
  const text = `${weights.path}: expected the weights of the network that ${weights.describedBy} describe${weights.describedBy === 'config.json' ? 's' : ''}, got ${faults.length} that do not fit: ${[...faults.slice(0, SHOWN), ...more].join('; ')}. ${NEXT_STEPS[weights.describedBy]}`;
  throw new TributaryError('TRIB_MODEL', text);
}
