/**
 * @file Every operator on TensorFlow.js, against onnxruntime: what it gives, and the gradients of its tape against those of
 * this program's rules. The cases are those of the rules, of which there is one for every operator.
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gradients } from '../../../../src/models/autodiff/backward.js';
import type { Engine, GradientRequest, Tensors } from '../../../../src/models/engines/contract/engine.js';
import { createOnnxRuntimeEngine } from '../../../../src/models/engines/onnxruntime/engine.js';
import { createTfjsEngine } from '../../../../src/models/engines/tfjs/engine.js';
import { encodeGraph } from '../../../../src/models/graph/onnx/encode.js';
import { GraphBuilder } from '../../../../src/models/graph/ops/builder.js';
import type { Tensor } from '../../../../src/models/tensor.js';
import { elementCount, float32 } from '../../../../src/models/tensor.js';
import { NATIVE_BACKENDS } from '../../../fixtures/tfjs-backends.js';
import { createDraw, emitCase, feedsOf } from '../../autodiff/check-gradient.js';
import { GRADIENT_CASES } from '../../autodiff/gradient-cases.js';
import type { OpCase } from '../../autodiff/op-case.js';
import { FORWARD_CASES } from '../../graph/forward-cases.js';

const TOLERANCE = 1e-5;
const LABEL = 'case';
/** Element types that TensorFlow.js does not have. */
const ABSENT_TYPES = ['float64', 'float16'];

const CASES: readonly OpCase[] = [...Object.values(GRADIENT_CASES).flat(), ...FORWARD_CASES];

let reference: Engine;
beforeAll(() => {
  reference = createOnnxRuntimeEngine({ providers: ['cpu'], threads: 1 });
});
afterAll(() => reference.close());

/** The case, a random weighting of its float outputs as the loss, and what is differentiated. */
function graphOf(testCase: OpCase) {
  const g = new GraphBuilder();
  const draw = createDraw(5);
  const { inputs, outputs } = emitCase(g, testCase, LABEL);
  const terms = outputs.flatMap((output, index) => {
    g.output(output, `y${index}`);
    if (output.type !== 'float32') return [];
    const weights = Float32Array.from({ length: elementCount(output.shape) }, () => draw() + 0.5);
    return [output.mul(g.constant(float32(weights, output.shape))).sumAll()];
  });
  const parameters = inputs.filter((_, index) => testCase.inputs[index]?.frozen === false);
  const [first, ...rest] = terms;
  const loss = first && rest.reduce((sum, term) => sum.add(term), first);
  return { g, loss: parameters.length > 0 ? loss : undefined, parameters };
}

/** What onnxruntime gives for the graph with this program's backward pass. */
async function expected(testCase: OpCase, feeds: Tensors): Promise<Tensors> {
  const { g, loss, parameters } = graphOf(testCase);
  if (loss && !FORWARD_CASES.includes(testCase)) {
    for (const [index, derivative] of gradients(g, loss, parameters).entries())
      g.output(derivative, `gradient:${parameters[index]?.name}`);
  }
  return run(reference, g, feeds);
}

async function run(engine: Engine, g: GraphBuilder, feeds: Tensors, request?: GradientRequest) {
  const graph = g.build();
  const executable = await engine.compile(encodeGraph(graph), { label: 'test', gradients: request });
  const needed = graph.inputs.map(({ name }) => [name, feeds[name] as Tensor]);
  const results = await executable.run(Object.fromEntries(needed));
  await executable.release();
  return results;
}

function expectClose(found: Tensor | undefined, wanted: Tensor, name: string) {
  expect({ type: found?.type, shape: found?.shape }, name).toEqual({
    type: wanted.type,
    shape: wanted.shape,
  });
  const [a, b] = [found as Tensor, wanted].map(({ data }) => Array.from(data as ArrayLike<number>, Number));
  const size = Math.max(1, ...(b ?? []).map(Math.abs));
  b?.forEach((value, i) => {
    expect(Math.abs((a?.[i] ?? Number.NaN) - value) / size, `${name}[${i}]`).toBeLessThan(TOLERANCE);
  });
}

describe.each(['cpu', 'wasm', ...NATIVE_BACKENDS] as const)('operators on the backend %s', (backend) => {
  let engine: ReturnType<typeof createTfjsEngine>;
  beforeAll(() => {
    engine = createTfjsEngine({ backends: [backend], threads: 1, gradients: 'tape' });
  });
  afterAll(() => engine.close());

  it.each(CASES.map((testCase) => [testCase.op, testCase.name, testCase] as const))(
    'should agree with onnxruntime, with its gradients: %s %s',
    async (_op, _name, testCase) => {
      const feeds = feedsOf(testCase, LABEL, createDraw(3));
      const { g, loss, parameters } = graphOf(testCase);
      const isDifferentiable = loss !== undefined && !FORWARD_CASES.includes(testCase);
      if (isDifferentiable) g.output(loss, 'loss');
      const request = isDifferentiable
        ? { loss: 'loss', parameters: parameters.map(({ name }) => name), barriers: [...g.barriers] }
        : undefined;
      const wanted = await expected(testCase, feeds);
      const before = await engine.countTensors();
      if (g.nodes.some(({ outputs }) => outputs.some(({ type }) => ABSENT_TYPES.includes(type)))) {
        await expect(run(engine, g, feeds, request)).rejects.toMatchObject({ code: 'TRIB_ENGINE' });
      } else {
        const found = await run(engine, g, feeds, request);
        for (const [name, tensor] of Object.entries(wanted)) expectClose(found[name], tensor, name);
      }
      expect(await engine.countTensors()).toBe(before);
    },
  );
});
