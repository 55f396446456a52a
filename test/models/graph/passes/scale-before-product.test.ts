import { beforeAll, expect, it } from 'vitest';
import type { Engine } from '../../../../src/models/engines/contract/engine.js';
import { halfConstants } from '../../../../src/models/graph/half/half-constants.js';
import { toHalfPrecision } from '../../../../src/models/graph/half/half-precision.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import type { Expression } from '../../../../src/models/graph/ops/expression.js';
import { scaleBeforeProduct } from '../../../../src/models/graph/passes/scale-before-product.js';
import { emulatedHalf } from '../../../fixtures/emulated-half.js';
import { largestDifference, randomTensor, runModel } from '../../../fixtures/run-model.js';
import { sharedEngine } from '../../../fixtures/shared-engine.js';

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

/** softmax(q kᵀ / 8) v, with q and k so large that q kᵀ is beyond 65504 in places. */
function attention(scale: 'Mul' | 'Div') {
  const g = new GraphBuilder();
  const [q, k, v] = ['q', 'k', 'v'].map((name) => g.input(name, 'float32', [2, 16, 64])) as [
    Expression,
    Expression,
    Expression,
  ];
  const scores = q.matMul(k.transpose([0, 2, 1]));
  const scaled = scale === 'Mul' ? scores.mul(1 / 8) : scores.div(8);
  g.output(scaled.softmax(-1).matMul(v), 'y');
  return g.build();
}
const feeds = {
  q: randomTensor(1, [2, 16, 64], 70),
  k: randomTensor(2, [2, 16, 64], 70),
  v: randomTensor(3, [2, 16, 64]),
};

it.each(['Mul', 'Div'] as const)('should scale queries in the place of scores: %s', async (scale) => {
  const graph = attention(scale);
  const moved = scaleBeforeProduct(graph);
  expect(moved.nodes.map(({ op: name }) => name)).toEqual([
    'Transpose',
    scale,
    'MatMul',
    'Softmax',
    'MatMul',
    'Identity',
  ]);
  const [expected, found] = [await runModel(engine, graph, feeds), await runModel(engine, moved, feeds)];
  expect(largestDifference(found.y as Float32Array, expected.y as Float32Array)).toBeLessThan(1e-6);
});

it('should keep attention finite in half precision that is not without it', async () => {
  const constants = halfConstants('attention');
  const emulated = emulatedHalf(engine);
  const graph = attention('Mul');
  const plain = await runModel(emulated, toHalfPrecision(graph, { constants }), feeds);
  expect(plain.y?.some(Number.isNaN)).toBe(true);
  const moved = await runModel(emulated, toHalfPrecision(scaleBeforeProduct(graph), { constants }), feeds);
  expect(moved.y?.every(Number.isFinite)).toBe(true);
});

it('should leave the products of an adapter and shared scores alone', () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', [2, 4, 4]);
  g.output(x.matMul(g.input('b', 'float32', [4, 4])).mul(2), 'adapted');
  const shared = x.matMul(x);
  g.output(shared.mul(2), 'scaled');
  g.output(shared, 'shared');
  const graph = g.build();
  expect(
    scaleBeforeProduct(graph).nodes.map(({ op: name, inputs }) => [name, inputs.map((i) => i?.name)]),
  ).toEqual(graph.nodes.map(({ op: name, inputs }) => [name, inputs.map((i) => i?.name)]));
});
