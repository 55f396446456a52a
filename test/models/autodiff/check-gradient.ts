/**
 * @file The one checker of gradients. Many cases share two graphs, one forward and one with the backward pass, and every
 * case is perturbed in the same run as all the others: they do not touch.
 */

import { gradients } from '../../../src/models/autodiff/backward.js';
import type { Engine, Tensors } from '../../../src/models/engines/contract/engine.js';
import type { Graph, Value } from '../../../src/models/graph/graph.js';
import { encodeGraph } from '../../../src/models/graph/onnx/encode.js';
import { GraphBuilder } from '../../../src/models/graph/ops/builder.js';
import type { Expression } from '../../../src/models/graph/ops/expression.js';
import type { Tensor } from '../../../src/models/tensor.js';
import { elementCount, float32 } from '../../../src/models/tensor.js';
import type { Draw, OpCase } from './op-case.js';

/** Near the cube root of float32's epsilon. */
const STEP = 5e-3;
const RELATIVE_TOLERANCE = 5e-3;
/** Rounding of a float32 result of a few operations, over the step. */
const ROUNDING = (8 * 2 ** -24) / STEP;
/** Rounding of a gradient whose terms cancel. */
const CANCELLATION = 32 * 2 ** -24;
/** A slope so flat that the step or the rounding of values near 1 outweighs it. */
const ABSOLUTE_TOLERANCE = 5e-5;
const LINEAR_TOLERANCE = 1e-5;
const MOST_COORDINATES = 64;
const RANDOM_DIRECTIONS = 6;
const LINEAR_DRAWS = 3;

/** What was found at one case: readable lines, none where the gradient is right. */
export interface Finding {
  readonly faults: readonly string[];
  /** How many slopes and dot products were compared. */
  readonly numChecks: number;
}

interface Prepared {
  readonly testCase: OpCase;
  readonly label: string;
  /** Names of the inputs that are differentiated. */
  readonly wanted: readonly number[];
  /** Names and shapes of the float32 outputs in the loss. */
  readonly outputs: readonly Value[];
  readonly weights: readonly Float32Array[];
}

/** Small seeded generator (mulberry32). */
export function createDraw(seed: number): Draw {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const inputName = (label: string, index: number) => `${label}.x${index}`;
const gradientName = (label: string, index: number) => `${label}.dx${index}`;

/** Declares a case's inputs and emits it; returns the inputs and what the case returns. */
export function emitCase(g: GraphBuilder, testCase: OpCase, label: string) {
  const inputs = testCase.inputs.map(({ type, shape }, index) =>
    g.input(inputName(label, index), type, shape),
  );
  return { inputs, outputs: g.scoped(label, () => testCase.build(inputs)) };
}

export function feedsOf(testCase: OpCase, label: string, draw: Draw): Record<string, Tensor> {
  return Object.fromEntries(
    testCase.inputs.map((input, index) => [inputName(label, index), input.fill(draw)]),
  );
}

/**
 * Checks cases against central differences along every coordinate (where there are at most 64) and along random directions;
 * where a case is linear, also <w, A x> = <Aᵀ w, x>.
 */
export async function checkGradients(
  engine: Engine,
  cases: readonly OpCase[],
): Promise<ReadonlyMap<OpCase, Finding>> {
  const findings = new Map<OpCase, Finding>();
  const [forward, backward] = [new GraphBuilder(), new GraphBuilder()];
  const prepared: Prepared[] = [];
  cases.forEach((testCase, index) => {
    const label = `case${index}`;
    try {
      prepared.push(prepare(forward, backward, testCase, label));
    } catch (error) {
      findings.set(testCase, { faults: [`while it was built: ${String(error)}`], numChecks: 0 });
    }
  });
  if (prepared.length === 0) return findings;
  const open = (graph: Graph, label: string) => engine.compile(encodeGraph(graph), { label });
  const values = await open(forward.build(), 'forward');
  const slopes = await open(backward.build(), 'backward');

  const seeds = Array.from({ length: LINEAR_DRAWS }, (_, i) => i + 1);
  const draws = seeds.map((seed) => feedsOfAll(prepared, seed));
  const analytic: Tensors[] = [];
  for (const feeds of draws) analytic.push(await slopes.run(feeds));
  const base = draws[0] as Tensors;

  const directions = prepared.map((item) => directionsOf(item, base));
  const numProbes = Math.max(0, ...directions.map((list) => list.length));
  const faults = prepared.map((): string[] => []);
  for (let probe = 0; probe < numProbes; probe++) {
    const moved = (sign: number) => {
      const feeds: Record<string, Tensor> = { ...base };
      for (const list of directions)
        for (const [name, direction] of list[probe] ?? []) feeds[name] = shifted(base[name], direction, sign);
      return feeds;
    };
    const [highFeeds, lowFeeds] = [moved(1), moved(-1)];
    const [high, low] = [await values.run(highFeeds), await values.run(lowFeeds)];
    prepared.forEach((item, index) => {
      const direction = directions[index]?.[probe];
      if (!direction) return;
      const { rise, rounding } = riseOf(item, high, low);
      const terms = [...direction.keys()].map((name) => {
        const gradient = dataOf(analytic[0]?.[name.replace('.x', '.dx')]);
        return [gradient, difference(highFeeds[name], lowFeeds[name])] as const;
      });
      const expected = sum(terms.map(([gradient, moved]) => dot(gradient, moved)));
      const size = sum(terms.map(([gradient, moved]) => dot(gradient.map(Math.abs), moved.map(Math.abs))));
      const tolerance =
        RELATIVE_TOLERANCE * Math.max(Math.abs(rise), Math.abs(expected)) +
        rounding +
        CANCELLATION * size +
        ABSOLUTE_TOLERANCE * 2 * STEP;
      if (!(Math.abs(rise - expected) <= tolerance))
        faults[index]?.push(
          `probe ${probe}: the loss rises by ${rise / (2 * STEP)} a unit, the gradient says ${expected / (2 * STEP)}`,
        );
    });
  }

  prepared.forEach((item, index) => {
    const { testCase, label } = item;
    const dots = testCase.linearIn.flatMap((group) =>
      draws.map((feeds, draw) => {
        const results = analytic[draw] as Tensors;
        const terms = group.map((input) => [
          dataOf(results[gradientName(label, input)]),
          dataOf(feeds[inputName(label, input)]),
        ]) as [Float32Array, Float32Array][];
        const found = sum(terms.map(([gradient, x]) => dot(gradient, x)));
        const size = sum(terms.map(([gradient, x]) => dot(gradient.map(Math.abs), x.map(Math.abs))));
        const expected = lossOf(item, results);
        if (!(Math.abs(found - expected) <= LINEAR_TOLERANCE * Math.max(size, Math.abs(expected))))
          faults[index]?.push(`inputs ${group}: <w, A x> is ${expected}, <A* w, x> is ${found}`);
        return found;
      }),
    );
    findings.set(testCase, {
      faults: faults[index] ?? [],
      numChecks: (directions[index]?.length ?? 0) + dots.length,
    });
  });
  await Promise.all([values.release(), slopes.release()]);
  return findings;
}

function prepare(forward: GraphBuilder, backward: GraphBuilder, testCase: OpCase, label: string): Prepared {
  const wanted = testCase.inputs.flatMap((input, index) => (input.frozen ? [] : [index]));
  const { inputs, outputs } = emitCase(backward, testCase, label);
  const draw = createDraw(7);
  const weights = outputs.map(({ shape }) =>
    Float32Array.from({ length: elementCount(shape) }, () => (draw() < 0.5 ? -1 : 1) * (0.5 + draw())),
  );
  const terms = outputs.map((output, index) =>
    output.mul(backward.constant(float32(weights[index] ?? [], output.shape))).sumAll(),
  );
  const loss = terms.reduce((total, term) => total.add(term));
  const parameters = wanted.map((index) => inputs[index] as Expression);
  const found = gradients(backward, loss, parameters);
  const declared = outputs.map((_, index) => `${label}.y${index}`);
  const forwardOutputs = emitCase(forward, testCase, label).outputs;
  forwardOutputs.forEach((output, index) => {
    forward.output(output, declared[index]);
  });
  outputs.forEach((output, index) => {
    backward.output(output, declared[index]);
  });
  found.forEach((gradient, position) => {
    const parameter = parameters[position] as Expression;
    if (String(gradient.shape) !== String(parameter.shape))
      throw new Error(`the gradient has shape [${gradient.shape}], its parameter [${parameter.shape}]`);
    backward.output(gradient, gradientName(label, wanted[position] ?? 0));
  });
  return {
    testCase,
    label,
    wanted,
    weights,
    outputs: outputs.map((output, index) => ({ ...output, name: declared[index] ?? '' })),
  };
}

function feedsOfAll(prepared: readonly Prepared[], seed: number): Tensors {
  return Object.assign(
    {},
    ...prepared.map(({ testCase, label }, index) =>
      feedsOf(testCase, label, createDraw(seed * 7919 + index)),
    ),
  );
}

type Direction = ReadonlyMap<string, Float32Array>;

function directionsOf({ testCase, label, wanted }: Prepared, feeds: Tensors): Direction[] {
  const names = wanted.map((index) => inputName(label, index));
  const sizes = names.map((name) => dataOf(feeds[name]).length);
  const count = sum(sizes);
  const draw = createDraw(testCase.name.length + count);
  const random = Array.from(
    { length: RANDOM_DIRECTIONS },
    () =>
      new Map(
        names.map((name, i) => [
          name,
          Float32Array.from({ length: sizes[i] ?? 0 }, () => (draw() < 0.5 ? -1 : 1) * (0.5 + draw())),
        ]),
      ),
  );
  if (count > MOST_COORDINATES) return random;
  const coordinates = names.flatMap((name, i) =>
    Array.from(
      { length: sizes[i] ?? 0 },
      (_, position) =>
        new Map([[name, Float32Array.from({ length: sizes[i] ?? 0 }, (_, j) => (j === position ? 1 : 0))]]),
    ),
  );
  return [...coordinates, ...random];
}

function shifted(tensor: Tensor | undefined, direction: Float32Array, sign: number): Tensor {
  const data = dataOf(tensor).map((element, i) => element + sign * STEP * (direction[i] ?? 0));
  return { type: 'float32', shape: tensor?.shape ?? [], data };
}

/** Loss at the one end minus loss at the other, in double precision, and how much of it may be rounding. */
function riseOf({ outputs, weights }: Prepared, high: Tensors, low: Tensors) {
  let [rise, rounding] = [0, 0];
  outputs.forEach(({ name }, index) => {
    const [top, bottom] = [dataOf(high[name]), dataOf(low[name])];
    top.forEach((element, i) => {
      const weight = weights[index]?.[i] ?? 0;
      const other = bottom[i] ?? Number.NaN;
      rise += weight * (element - other);
      if (element !== other) rounding += ROUNDING * STEP * Math.abs(weight) * Math.abs(element);
    });
  });
  return { rise, rounding };
}

function lossOf({ outputs, weights }: Prepared, results: Tensors): number {
  return sum(
    outputs.map(({ name }, index) => dot(dataOf(results[name]), weights[index] ?? new Float32Array())),
  );
}

function difference(high: Tensor | undefined, low: Tensor | undefined): Float64Array {
  const bottom = dataOf(low);
  return Float64Array.from(dataOf(high), (element, i) => element - (bottom[i] ?? Number.NaN));
}

function dot(left: ArrayLike<number>, right: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < left.length; i++) total += (left[i] ?? 0) * (right[i] ?? Number.NaN);
  return total;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

function dataOf(tensor: Tensor | undefined): Float32Array {
  if (tensor?.data instanceof Float32Array) return tensor.data;
  throw new Error(`expected a float32 tensor, got ${tensor?.type ?? 'nothing'}`);
}
