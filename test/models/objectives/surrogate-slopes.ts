/** @file Runs a surrogate on rows written out by hand, with two dimensions each, and tells the slopes of its loss. */

import { gradients } from '../../../src/models/autodiff/backward.js';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import type { Value } from '../../../src/models/graph/graph.js';
import { GraphBuilder } from '../../../src/models/graph/ops/builder.js';
import type {
  DenoisingPolicy,
  ReferencePolicy,
  StepPolicy,
  Surrogate,
} from '../../../src/models/objectives/surrogate.js';
import { float32 } from '../../../src/models/tensor.js';
import { runModel } from '../../fixtures/run-model.js';

type Pair = readonly [number, number];

/** What a policy says of every row; zeros where it is left out. */
interface PolicyRows {
  readonly logProb?: readonly number[];
  readonly mean?: readonly Pair[];
  readonly modelOutput?: readonly Pair[];
  readonly cleanPrediction?: readonly Pair[];
}

export interface Rows {
  readonly advantage: readonly number[];
  readonly policy: PolicyRows;
  readonly old?: PolicyRows;
  readonly pretrained?: PolicyRows;
  readonly oldLogProb?: readonly number[];
  /** 1 where they are left out. */
  readonly stdDevT?: readonly number[];
  readonly outputCoefficient?: readonly number[];
  readonly noiseScale?: readonly number[];
  readonly cleanLatents?: readonly Pair[];
  readonly target?: readonly Pair[];
}

const POLICIES = ['policy', 'old', 'pretrained'] as const;

/** The loss by row, and the slopes of its sum in each thing that the policy says, as if they were independent. */
export async function slopesOf(engine: Engine, surrogate: Surrogate, rows: Rows) {
  const g = new GraphBuilder();
  const feeds: Record<string, ReturnType<typeof float32>> = {};
  const count = rows.advantage.length;
  const numbers = (name: string, values: readonly number[] | undefined, otherwise: number) => {
    feeds[name] = float32(values ?? new Array<number>(count).fill(otherwise), [count]);
    return g.input(name, 'float32', [count]);
  };
  const pairs = (name: string, values: readonly Pair[] | undefined) => {
    feeds[name] = float32(values?.flat() ?? new Array<number>(2 * count).fill(0), [count, 2, 1, 1]);
    return g.input(name, 'float32', [count, 2, 1, 1]);
  };
  const says = (name: 'policy' | ReferencePolicy): StepPolicy & DenoisingPolicy => ({
    logProb: numbers(`${name}.logProb`, rows[name]?.logProb, 0),
    mean: pairs(`${name}.mean`, rows[name]?.mean),
    modelOutput: pairs(`${name}.modelOutput`, rows[name]?.modelOutput),
    cleanPrediction: pairs(`${name}.cleanPrediction`, rows[name]?.cleanPrediction),
  });
  const there = POLICIES.filter((name) => rows[name] !== undefined);
  const policies = Object.fromEntries(there.map((name) => [name, says(name)]));
  const policy = policies.policy as StepPolicy & DenoisingPolicy;
  const losses = surrogate.loss({
    ...policies,
    policy,
    advantage: numbers('advantage', rows.advantage, 0),
    oldLogProb: numbers('oldLogProb', rows.oldLogProb, 0),
    stdDevT: numbers('stdDevT', rows.stdDevT, 1),
    outputCoefficient: numbers('outputCoefficient', rows.outputCoefficient, 1),
    signalScale: numbers('signalScale', undefined, 1),
    noiseScale: numbers('noiseScale', rows.noiseScale, 1),
    cleanLatents: pairs('cleanLatents', rows.cleanLatents),
    target: pairs('target', rows.target),
  });
  const said = Object.entries(policy);
  const slopes = gradients(
    g,
    losses.sumAll(),
    said.map(([, value]) => value),
  );
  g.output(losses, 'loss');
  for (const [index, [name]] of said.entries()) g.output(slopes[index] as Value, name);
  const results = await runModel(engine, g.build(), feeds);
  const found = (name: string) => [...(results[name] as Float32Array)];
  return {
    loss: found('loss'),
    byLogProb: found('logProb'),
    byMean: found('mean'),
    byOutput: found('modelOutput'),
    byPrediction: found('cleanPrediction'),
  };
}

/** Whether two lists of numbers are alike up to single precision, at magnitudes up to about 10. */
export function closeTo(expected: readonly number[]) {
  return {
    asymmetricMatch: (found: unknown) =>
      Array.isArray(found) &&
      found.length === expected.length &&
      expected.every((value, index) => Math.abs(found[index] - value) <= 2e-6 * Math.max(1, Math.abs(value))),
    toString: () => `numbers close to ${expected.join(', ')}`,
  };
}
