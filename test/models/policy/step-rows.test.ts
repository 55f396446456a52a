import { describe, expect, it } from 'vitest';
import { samplerCoefficients } from '../../../src/models/diffusion/step-coefficients.js';
import type { StepPlan } from '../../../src/models/policy/step-rows.js';
import {
  pairUnits,
  preferencePairs,
  transitionsOf,
  transitionUnits,
} from '../../../src/models/policy/step-rows.js';
import type { RowUnit, TrainingSample } from '../../../src/models/policy/training-rows.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { scheduleWith } from '../diffusion/schedules.js';

const STEPS = 5;
const coefficients = samplerCoefficients(scheduleWith(), STEPS, 1);
const plan = (trainedSteps: readonly number[], weightOf = (_step: number) => 1): StepPlan => ({
  coefficients,
  trainedSteps,
  weights: coefficients.map((_, step) => (trainedSteps.includes(step) ? weightOf(step) : 0)),
});

/** Latents of one number: before step i, 100 · name + i. The log-prob of step i is -(10 · name + i). */
function sample(name: number, firstStep: number, changes: Partial<TrainingSample> = {}): TrainingSample {
  const steps = Array.from({ length: STEPS - firstStep }, (_, index) => firstStep + index);
  return {
    groupId: 'group',
    prompt: `prompt ${name}`,
    advantage: name,
    stepAdvantages: null,
    trajectory: {
      firstStep,
      latents: Float32Array.from([...steps, STEPS], (step) => 100 * name + step),
      logProbs: Float32Array.from(steps, (step) => -(10 * name + step)),
    },
    ...changes,
  };
}

/** Sampler step, old log-prob, latents before and after, by row. */
const shown = (units: readonly RowUnit[]) =>
  units.map((unit) =>
    unit.map(({ step, scalars, latents }) => {
      const { sample: before, nextLatents } = latents();
      return [step, scalars.oldLogProb, before[0], nextLatents?.[0]];
    }),
  );

describe('transitionsOf', () => {
  it('should cut the trained steps out of a path, with the latents on both sides', () => {
    expect(transitionsOf(sample(3, 1), [1, 4], 7)).toEqual([
      {
        prompt: 'prompt 3',
        step: 1,
        latents: Float32Array.of(301),
        nextLatents: Float32Array.of(302),
        logProb: -31,
        reward: 3,
        policyVersion: 7,
      },
      {
        prompt: 'prompt 3',
        step: 4,
        latents: Float32Array.of(304),
        nextLatents: Float32Array.of(305),
        logProb: -34,
        reward: 3,
        policyVersion: 7,
      },
    ]);
  });

  it('should take none of the steps that a path shares with an earlier one', () => {
    expect(transitionsOf(sample(3, 3), [0, 1, 2, 3], 0).map(({ step }) => step)).toEqual([3]);
  });

  it('should earn the advantage of each edge, counted from the start of the path', () => {
    const credited = sample(3, 2, { stepAdvantages: [0.5, -1, 0] });
    expect(transitionsOf(credited, [2, 3, 4], 0).map(({ reward }) => reward)).toEqual([0.5, -1, 0]);
    expect(transitionsOf(credited, [4], 0).map(({ reward }) => reward)).toEqual([0]);
  });
});

describe('transitionUnits', () => {
  const transitions = [sample(1, 2), sample(2, 3)].flatMap((one) => transitionsOf(one, [2, 3, 4], 0));

  it('should make a row of every transition, step by step, of equal weight', () => {
    const units = transitionUnits(transitions, null, plan([2, 3, 4]));
    expect(shown(units)).toEqual([
      [[2, -12, 102, 103]],
      [[3, -13, 103, 104]],
      [[3, -23, 203, 204]],
      [[4, -14, 104, 105]],
      [[4, -24, 204, 205]],
    ]);
    expect(units.flat().map(({ weight }) => weight)).toEqual([0.2, 0.2, 0.2, 0.2, 0.2]);
    expect(units[2]?.[0]).toMatchObject({
      prompt: 'prompt 2',
      advantage: 2,
      timestep: coefficients[3]?.timestep,
      scalars: {
        sampleCoefficient: coefficients[3]?.sampleCoefficient,
        outputCoefficient: coefficients[3]?.outputCoefficient,
        stdDevT: coefficients[3]?.stdDevT,
      },
    });
  });

  it('should take the baseline of each transition off its advantage', () => {
    const units = transitionUnits(transitions, Float32Array.of(0.5, 0.25, -1, 4, 8), plan([2, 3, 4]));
    // Baselines are in the order of the transitions: 1 at steps 2, 3, 4, then 2 at steps 3, 4.
    expect(units.flat().map(({ advantage }) => advantage)).toEqual([0.5, 0.75, -2, 2, -6]);
  });

  it('should leave out steps without weight, and weigh the others as the plan says', () => {
    const whole = [sample(1, 2), sample(2, 2)].flatMap((one) => transitionsOf(one, [2, 3, 4], 0));
    const weightOf = (step: number) => (step === 4 ? 0 : step);
    const units = transitionUnits(whole, null, plan([2, 3, 4], weightOf));
    expect(units.flat().map(({ step, weight }) => [step, weight])).toEqual([
      [2, 2 / 6],
      [2, 2 / 6],
      [3, 3 / 6],
      [3, 3 / 6],
    ]);
  });

  it('should not train what an earlier round sampled at other steps', () => {
    const units = transitionUnits(transitions, null, plan([3]));
    expect(shown(units).map(([row]) => row?.[0])).toEqual([3, 3]);
  });

  it('should refuse to train a step that draws no noise', async () => {
    const silent = { ...plan([2]), coefficients: samplerCoefficients(scheduleWith(), STEPS, 0) };
    const [code, message] = await faultOf(() => transitionUnits(transitions, null, silent));
    expect(code).toBe('TRIB_CONFIG');
    expect(message).toMatch(/^sampler step 2 \(timestep 401\): expected a noisy step/);
  });
});

describe('preferencePairs', () => {
  const advantages = (samples: readonly TrainingSample[]) =>
    preferencePairs(samples).map((pair) => pair.map(({ advantage }) => advantage));
  const inGroup = (groupId: string, ...names: number[]) => names.map((name) => sample(name, 0, { groupId }));

  it('should pair the best with the worst of every group', () => {
    const mixed = [...inGroup('a', 1, 3), ...inGroup('b', -2, -1, -5), ...inGroup('a', 2)];
    expect(advantages(mixed)).toEqual([
      [3, 1],
      [-1, -5],
    ]);
  });

  it('should make no pair of a group whose samples are alike, or that has only one', () => {
    expect(advantages([...inGroup('a', 2, 2), ...inGroup('b', 1)])).toEqual([]);
  });
});

describe('pairUnits', () => {
  it('should put the same step of both side by side, preferred first', () => {
    const units = pairUnits([[sample(2, 3), sample(1, 3)]], plan([3, 4]));
    expect(shown(units)).toEqual([
      [
        [3, -23, 203, 204],
        [3, -13, 103, 104],
      ],
      [
        [4, -24, 204, 205],
        [4, -14, 104, 105],
      ],
    ]);
    expect(units.flat().map(({ weight }) => weight)).toEqual([0.5, 0.5, 0.5, 0.5]);
  });

  it('should weigh the pairs of a step as the plan says, and leave out steps without weight', () => {
    const weightOf = (step: number) => (step === 2 ? 0 : step);
    const units = pairUnits([[sample(2, 2), sample(1, 2)]], plan([2, 3, 4], weightOf));
    // Three pairs, the first without weight: 3/3 and 4/3.
    expect(units.flat().map(({ step, weight }) => [step, weight])).toEqual([
      [3, 1],
      [3, 1],
      [4, 4 / 3],
      [4, 4 / 3],
    ]);
  });

  it('should compare branches of a tree at the steps that both own', () => {
    const units = pairUnits(
      [
        [sample(1, 4), sample(2, 2)],
        [sample(3, 3), sample(4, 3)],
      ],
      plan([2, 3, 4]),
    );
    expect(shown(units).map(([win, lose]) => [win?.[1], lose?.[1]])).toEqual([
      [-33, -43],
      [-14, -24],
      [-34, -44],
    ]);
    // The preferred rows carry the weights of the loss: three pairs, a third each.
    expect(units.reduce((sum, [win]) => sum + (win?.weight ?? 0), 0)).toBeCloseTo(1, 12);
  });

  it('should make nothing of pairs that share no trained step', () => {
    expect(pairUnits([[sample(1, 4), sample(2, 3)]], plan([3]))).toEqual([]);
    expect(pairUnits([], plan([3]))).toEqual([]);
  });
});
