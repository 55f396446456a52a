/**
 * @file Every surrogate, in every form, compared with PyTorch: loss and gradient in the output of the policy's network. The
 * fixture is made by tools/reference/surrogates.py, which writes the formulas out on its own.
 */

import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { gradients } from '../../../src/models/autodiff/backward.js';
import type { Engine } from '../../../src/models/engines/contract/engine.js';
import { decodeSafetensors } from '../../../src/models/files/safetensors.js';
import { GraphBuilder } from '../../../src/models/graph/ops/builder.js';
import type { Expression } from '../../../src/models/graph/ops/expression.js';
import { createSurrogate, SURROGATES, type SurrogateSettings } from '../../../src/models/objectives/index.js';
import { stepPolicy } from '../../../src/models/objectives/log-prob.js';
import type { DenoisingSurrogate, Surrogate } from '../../../src/models/objectives/surrogate.js';
import { float32 } from '../../../src/models/tensor.js';
import { largestDifference, runModel } from '../../fixtures/run-model.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';

const FIXTURE = 'test/fixtures/surrogates.safetensors';
const LOSS_TOLERANCE = 1e-5;
const GRADIENT_TOLERANCE = 1e-4;

type Prediction = 'epsilon' | 'velocity';
type Case = SurrogateSettings & { readonly prediction: Prediction };

const { tensors, metadata } = decodeSafetensors(readFileSync(FIXTURE), FIXTURE);
const cases: readonly Case[] = JSON.parse(metadata.cases ?? '[]');

const stored = (name: string) => {
  const tensor = tensors.get(name);
  if (!tensor) throw new Error(`${FIXTURE} has no "${name}". Run tools/reference/surrogates.py.`);
  return float32(tensor.data as Float32Array, tensor.shape);
};

let engine: Engine;
beforeAll(() => {
  engine = sharedEngine();
});

/** Graph inputs by the fixture's names, and the loss of the case over them. */
function lossOf(
  g: GraphBuilder,
  surrogate: Surrogate,
  prediction: Prediction,
): [loss: Expression, policy: Expression] {
  const input = (name: string) => g.input(name, 'float32', stored(`input:${name}`).shape);
  const policy = input('policy');
  const outputs = Object.fromEntries(surrogate.references.map((name) => [name, input(name)]));
  const of = <Policy>(says: (output: Expression) => Policy) =>
    Object.fromEntries(Object.entries(outputs).map(([name, output]) => [name, says(output)]));
  const advantage = input('advantage');
  if (surrogate.trainsOn !== 'denoising') {
    const step = {
      latents: input('latents'),
      nextLatents: input('nextLatents'),
      sampleCoefficient: input('sampleCoefficient'),
      outputCoefficient: input('outputCoefficient'),
      stdDevT: input('stdDevT'),
    };
    const says = (output: Expression) => stepPolicy(step, output);
    const oldLogProb = input('oldLogProb');
    return [surrogate.loss({ ...step, policy: says(policy), ...of(says), oldLogProb, advantage }), policy];
  }
  return [denoisingLoss(g, surrogate, prediction, { policy, of, advantage, input }), policy];
}

interface DenoisingInputs {
  readonly policy: Expression;
  readonly advantage: Expression;
  readonly of: <Policy>(says: (output: Expression) => Policy) => Record<string, Policy>;
  readonly input: (name: string) => Expression;
}

function denoisingLoss(
  g: GraphBuilder,
  surrogate: DenoisingSurrogate,
  prediction: Prediction,
  { policy, of, advantage, input }: DenoisingInputs,
): Expression {
  const [cleanLatents, noise, noiseScale] = [input('cleanLatents'), input('noise'), input('noiseScale')];
  const one = g.scalar(1);
  const isFlow = prediction === 'velocity';
  const signalScale = isFlow ? one.sub(noiseScale) : one.sub(noiseScale.mul(noiseScale)).sqrt();
  const perRow = (value: Expression) => value.reshape([-1, 1, 1, 1]);
  const [signal, scale] = [perRow(signalScale), perRow(noiseScale)];
  const noised = signal.mul(cleanLatents).add(scale.mul(noise));
  const says = (modelOutput: Expression) => {
    const denoised = noised.sub(scale.mul(modelOutput));
    return { modelOutput, cleanPrediction: isFlow ? denoised : denoised.div(signal) };
  };
  const target = isFlow ? noise.sub(cleanLatents) : noise;
  const values = { cleanLatents, target, signalScale, noiseScale, advantage };
  return surrogate.loss({ ...values, policy: says(policy), ...of(says) });
}

async function evaluate({ prediction, ...settings }: Case) {
  const surrogate = createSurrogate(settings as SurrogateSettings);
  const g = new GraphBuilder();
  const [loss, policy] = lossOf(g, surrogate, prediction);
  const [gradient] = gradients(g, loss.sumAll(), [policy]) as [Expression];
  g.output(loss, 'loss');
  g.output(gradient, 'gradient');
  const graph = g.build();
  const feeds = Object.fromEntries(graph.inputs.map(({ name }) => [name, stored(`input:${name}`)]));
  if (surrogate.trainsOn === 'denoising' && surrogate.transformAdvantages && feeds.advantage)
    feeds.advantage = float32(
      surrogate.transformAdvantages([...feeds.advantage.data]),
      feeds.advantage.shape,
    );
  const { loss: losses, gradient: slopes } = await runModel(engine, graph, feeds);
  return { losses: losses as Float32Array, slopes: slopes as Float32Array };
}

describe('surrogates', () => {
  it.each(cases.map((settings, index) => [JSON.stringify(settings), settings, index] as const))(
    'should have the loss and the gradient that PyTorch computes: %s',
    async (_, settings, index) => {
      const { losses, slopes } = await evaluate(settings);
      expect(largestDifference(losses, stored(`${index}:loss`).data)).toBeLessThan(LOSS_TOLERANCE);
      expect(largestDifference(slopes, stored(`${index}:gradient`).data)).toBeLessThan(GRADIENT_TOLERANCE);
    },
  );

  it('should all be among the cases', () => {
    expect(new Set(cases.map(({ type }) => type))).toEqual(
      new Set(SURROGATES.entries.map(({ name }) => name)),
    );
  });
});
