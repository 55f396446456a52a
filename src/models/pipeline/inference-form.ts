/**
 * @file The form in which a network samples. Every provider has its own kernel for fused attention, and WebGPU's is wrong
 * on some devices (on SwiftShader, presumably because of its subgroup size): its numbers look like attention and are not.
 * So it is compared with the formula on the device itself before it is used.
 */

import { at } from '../../at.js';
import type { Engine } from '../engines/contract/engine.js';
import { float, type Graph, int, intAttribute, type Value } from '../graph/graph.js';
import { encodeGraph } from '../graph/onnx/encode.js';
import { GraphBuilder } from '../graph/ops/builder.js';
import { gatherAttention, writeAttention } from '../graph/passes/attention.js';
import { fuseForInference } from '../graph/passes/fuse.js';
import { counterRandom } from '../random/counter-random.js';
import { float32, float32Data } from '../tensor.js';

export interface InferenceForm {
  readonly graph: Graph;
  /** What is wrong with the provider's fused attention, if the graph had to do without it; else null. */
  readonly fault: string | null;
}

/** Positions of queries and of keys: enough for the kernels of long sequences, and not all powers of two. */
const [QUERIES, KEYS] = [64, 77];
const HEADS = 2;
/** Rounding in half precision stays below this; a wrong kernel is off by a tenth or more. */
const TOLERANCE = 0.02;

/** Returns what brings graphs into this form for one engine; it tries each size of heads once. */
export function inferenceForms(engine: Engine): (graph: Graph) => Promise<InferenceForm> {
  const faults = new Map<number, Promise<string | null>>();
  const faultOf = (size: number) => {
    const known = faults.get(size) ?? attentionFault(engine, size);
    faults.set(size, known);
    return known;
  };
  return async (graph) => {
    const fused = fuseForInference(graph);
    for (const size of headSizes(fused)) {
      const fault = await faultOf(size);
      if (fault !== null) {
        const others = fuseForInference(graph, { attention: false });
        return { graph: writeAttention(gatherAttention(others)), fault };
      }
    }
    return { graph: fused, fault: null };
  };
}

function headSizes({ nodes }: Graph): Set<number> {
  const fused = nodes.filter(({ op }) => op === 'MultiHeadAttention');
  return new Set(
    fused.flatMap(({ inputs: [query], attributes }) =>
      query ? at(query.shape, -1) / intAttribute({ attributes }, 'num_heads', 1) : [],
    ),
  );
}

/** Runs fused attention with heads of one size; the CPU's is trusted. */
async function attentionFault(engine: Engine, headSize: number): Promise<string | null> {
  const width = HEADS * headSize;
  const scale = 1 / Math.sqrt(headSize);
  const shapes = { query: [1, QUERIES, width], key: [1, KEYS, width], value: [1, KEYS, width] };
  const g = new GraphBuilder();
  const mixed: Value = { name: 'mixed', type: 'float32', shape: shapes.query };
  g.append({
    name: 'attention',
    op: 'MultiHeadAttention',
    domain: 'com.microsoft',
    inputs: Object.entries(shapes).map(([name, shape]) => g.input(name, 'float32', shape)),
    outputs: [mixed],
    attributes: { num_heads: int(HEADS), scale: float(scale) },
  });
  g.output(mixed);
  const executable = await engine.compile(encodeGraph(g.build()), { label: 'fused attention' });
  try {
    if (executable.provider === 'cpu') return null;
    const normal = (group: number, positions: number) =>
      counterRandom({ seed: 1, purpose: 'evaluation', group }).normal(positions * width);
    const [q, k, v] = [normal(0, QUERIES), normal(1, KEYS), normal(2, KEYS)];
    const found = await executable.run({
      query: float32(q, shapes.query),
      key: float32(k, shapes.key),
      value: float32(v, shapes.value),
    });
    const error = relativeError(float32Data(found.mixed, 'mixed'), attention({ q, k, v }, headSize, scale));
    if (error < TOLERANCE) return null;
    return `provider ${executable.provider} computes fused attention wrongly on this device (heads of ${headSize}, relative error ${error.toPrecision(2)}): attention runs in its parts`;
  } finally {
    await executable.release();
  }
}

/** softmax(q kᵀ · scale) v for every head: [QUERIES, HEADS · headSize]. */
function attention(
  { q, k, v }: Readonly<Record<'q' | 'k' | 'v', Float32Array>>,
  headSize: number,
  scale: number,
): Float64Array {
  const width = HEADS * headSize;
  const mixed = new Float64Array(QUERIES * width);
  for (let head = 0; head < HEADS; head++) {
    for (let row = 0; row < QUERIES; row++) {
      const start = row * width + head * headSize;
      const weights = Array.from({ length: KEYS }, (_, column) => {
        let score = 0;
        for (let i = 0; i < headSize; i++) score += q[start + i]! * k[column * width + head * headSize + i]!;
        return Math.exp(score * scale);
      });
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      for (const [column, weight] of weights.entries()) {
        for (let i = 0; i < headSize; i++)
          mixed[start + i]! += (weight / total) * v[column * width + head * headSize + i]!;
      }
    }
  }
  return mixed;
}

/** |found - expected| / |expected|, as vectors. */
function relativeError(found: Float32Array, expected: Float64Array): number {
  let [error, size] = [0, 0];
  for (const [index, value] of expected.entries()) {
    error += (at(found, index) - value) ** 2;
    size += value ** 2;
  }
  return Math.sqrt(error / size);
}
