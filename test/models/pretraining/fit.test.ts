import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine, Executable } from '../../../src/models/engines/contract/engine.js';
import { encodeGraph } from '../../../src/models/graph/onnx/encode.js';
import type { FitOptions, FitState } from '../../../src/models/pretraining/fit.js';
import { fitStep, initialFitState, learningRateAt } from '../../../src/models/pretraining/fit.js';
import { readFitState, writeFitState } from '../../../src/models/pretraining/fit-state-file.js';
import type { Trainee } from '../../../src/models/pretraining/trainee.js';
import { trainingGraph } from '../../../src/models/pretraining/trainee.js';
import { float32 } from '../../../src/models/tensor.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { randomTensor } from '../../fixtures/run-model.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

const OPTIONS: FitOptions = {
  seed: 5,
  numSteps: 60,
  learningRate: 0.1,
  warmupSteps: 4,
  weightDecay: 0.01,
  maxGradNorm: 1,
  averageDecay: 0.9,
};

/** y = x w + b, w = (1, -2), b = 3, learned from eight points, in runs of `rows`. */
function line(scale = 1, rows = 8): Trainee {
  const { graph, weights } = trainingGraph((g, source) => {
    const x = g.input('x', 'float32', [rows, 2]);
    const y = g.input('y', 'float32', [rows, 1]);
    const predicted = x.matMul(source('w', [2, 1], { stdDev: 0.1 })).add(source('b', [1], { constant: 0 }));
    const residual = predicted.sub(y);
    return residual.mul(residual).meanAll();
  });
  return {
    label: 'line',
    graph,
    weights,
    batch(step) {
      const x = randomTensor(step + 1, [8, 2]);
      const y = Float32Array.from(
        { length: 8 },
        (_, i) => scale * ((x.data[2 * i] ?? 0) - 2 * (x.data[2 * i + 1] ?? 0) + 3),
      );
      return Array.from({ length: 8 / rows }, (_, run) => ({
        x: float32(x.data.slice(2 * run * rows, 2 * (run + 1) * rows), [rows, 2]),
        y: float32(y.slice(run * rows, (run + 1) * rows), [rows, 1]),
      }));
    },
  };
}

let engine: Engine;
let executable: Executable;
const trainee = line();
beforeAll(async () => {
  engine = sharedEngine();
  executable = await engine.compile(encodeGraph(trainee.graph), { label: 'line' });
});

async function learn(
  state: FitState,
  until: number,
  options = OPTIONS,
): Promise<{ state: FitState; losses: number[] }> {
  const losses: number[] = [];
  let current = state;
  while (current.step < until) {
    const taken = await fitStep(executable, trainee, current, options);
    current = taken.state;
    losses.push(taken.loss);
  }
  return { state: current, losses };
}

describe('fitStep', () => {
  it('should find the line', async () => {
    const { state, losses } = await learn(initialFitState(trainee, OPTIONS.seed), OPTIONS.numSteps);
    expect(losses[0]).toBeGreaterThan(1);
    expect(losses.at(-1)).toBeLessThan(0.02);
    expect(state.weights.w?.[0]).toBeCloseTo(1, 1);
    expect(state.weights.w?.[1]).toBeCloseTo(-2, 1);
    expect(state.average.b?.[0]).toBeCloseTo(3, 0);
  });

  it('should learn the same from a batch in several runs', async () => {
    const inRuns = line(1, 2);
    const compiled = await engine.compile(encodeGraph(inRuns.graph), { label: 'line' });
    const state = initialFitState(trainee, 1);
    const whole = await fitStep(executable, trainee, state, OPTIONS);
    const parts = await fitStep(compiled, inRuns, state, OPTIONS);
    expect(parts.loss).toBeCloseTo(whole.loss, 5);
    for (const [name, values] of Object.entries(whole.state.optimizer.firstMoments))
      for (const [index, value] of values.entries())
        expect(parts.state.optimizer.firstMoments[name]?.[index]).toBeCloseTo(value, 5);
  });

  it('should stop at a gradient that is not finite, and leave the state alone', async () => {
    const wild = { ...trainee, batch: line(Number.POSITIVE_INFINITY).batch };
    const state = initialFitState(trainee, 1);
    expect(await faultOf(() => fitStep(executable, wild, state, OPTIONS))).toEqual([
      'TRIB_ENGINE',
      'line step 0: expected a finite gradient, got one with NaN or Infinity. Resume from the last checkpoint with a smaller learningRate.',
    ]);
  });
});

describe('learningRateAt', () => {
  it('should warm up linearly, then fall along a cosine to 2 %', () => {
    expect([0, 1, 3].map((step) => learningRateAt(step, OPTIONS))).toEqual([0.025, 0.05, 0.1]);
    expect(learningRateAt(4, OPTIONS)).toBeCloseTo(0.1, 12);
    expect(learningRateAt(32, OPTIONS)).toBeCloseTo(0.1 * (0.02 + 0.98 * 0.5), 12);
    expect(learningRateAt(60, OPTIONS)).toBeCloseTo(0.002, 12);
    expect(learningRateAt(90, OPTIONS)).toBeCloseTo(0.002, 12);
  });
});

describe('a pretraining checkpoint', () => {
  it('should go on to the same bytes as a training that was not interrupted', async () => {
    const path = join(await temporaryFolder(), 'fit.safetensors');
    const { state: half } = await learn(initialFitState(trainee, 5), 7);
    await writeFitState(path, half, 'settings');
    const read = (await readFitState(path, 'settings')) as FitState;
    expect(read).toEqual(half);
    const [resumed, whole] = [await learn(read, 15), await learn(initialFitState(trainee, 5), 15)];
    expect(resumed.state).toEqual(whole.state);
    expect(whole.state.weights).not.toEqual(whole.state.average);
  });

  it('should be nothing where there is no file', async () => {
    expect(await readFitState(join(await temporaryFolder(), 'none'), 'settings')).toBeUndefined();
  });

  it('should not be taken for one of other settings', async () => {
    const path = join(await temporaryFolder(), 'fit.safetensors');
    await writeFitState(path, initialFitState(trainee, 5), 'settings');
    expect(await faultOf(() => readFitState(path, 'others'))).toEqual([
      'TRIB_CHECKPOINT',
      `${path}: expected a checkpoint of the same settings, got one of others. Remove it, or restore the settings it was made with.`,
    ]);
  });

  it('should be refused when it is cut short', async () => {
    const path = join(await temporaryFolder(), 'fit.safetensors');
    await writeFitState(path, initialFitState(trainee, 5), 'settings');
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, bytes.length - 3));
    const [code, message] = await faultOf(() => readFitState(path, 'settings'));
    expect(code).toBe('TRIB_FILE');
    expect(message).toContain(path);
  });
});
