/** @file The training graph of a policy: UNet with adapter, guidance, log-prob, surrogate, and the gradients of the adapter. */

import { TributaryError } from '../../errors.js';
import { gradients } from '../autodiff/backward.js';
import type { LoraSettings } from '../diffusion/denoiser.js';
import { prepareUnet } from '../diffusion/denoiser.js';
import type { Pipeline } from '../diffusion/pipeline.js';
import type { Engine } from '../engines/engine.js';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import type { Adapter } from '../graph/lora.js';
import { addLora } from '../graph/lora.js';
import { lowerForTraining } from '../graph/lower.js';
import * as op from '../graph/ops/index.js';
import type { ClippedSurrogateSettings } from '../objectives/ddpo-is.js';
import { ddpoIsLoss } from '../objectives/ddpo-is.js';
import { guidedExpression, stepLogProbExpression } from '../objectives/log-prob.js';

export interface PolicyGraphSettings extends ClippedSurrogateSettings {
  readonly lora: LoraSettings;
  readonly guidanceScale: number;
  /** (sample, step) pairs of one run. */
  readonly minibatchSize: number;
}

export interface PolicyGraph {
  /**
   * Inputs: `sample` and `encoder_hidden_states` for all rows (unconditional, then conditional), `timestep`, the adapter, and
   * for every pair `nextLatents` and the [M] values `sampleCoefficient`, `outputCoefficient`, `stdDevT`, `oldLogProb`,
   * `advantage`, `weight`. Outputs: `loss`, `ratio` [M], and `gradient:<parameter>`.
   */
  readonly graph: Graph;
  readonly adapters: readonly Adapter[];
}

/** Rows of the UNet for a minibatch: twice the pairs with guidance. */
export const unetRows = ({
  minibatchSize,
  guidanceScale,
}: Pick<PolicyGraphSettings, 'minibatchSize' | 'guidanceScale'>) =>
  guidanceScale === 1 ? minibatchSize : 2 * minibatchSize;

/** Derives the graph. The loss is Σ weight · surrogate; weights of 1 / (pairs of an update) make it their mean. */
export async function buildPolicyGraph(
  engine: Engine,
  pipeline: Pipeline,
  settings: PolicyGraphSettings,
): Promise<PolicyGraph> {
  const { minibatchSize, guidanceScale } = settings;
  const model = await prepareUnet(engine, pipeline, unetRows(settings));
  const { graph: adapted, adapters } = addLora(
    model,
    { ...settings.lora, form: 'beside' },
    pipeline.folder.unet.modelPath,
  );
  const g = GraphBuilder.from(lowerForTraining(adapted));
  const output = g.value('out_sample');
  g.clearOutputs();

  const perPair = (name: string) => g.input(name, 'float32', [minibatchSize]);
  const [loss, ratio] = g.scoped('objective', () => {
    const latents = op.slice(g, g.value('sample'), { starts: [0], ends: [minibatchSize], axes: [0] });
    const logProb = stepLogProbExpression(g, {
      latents,
      nextLatents: g.input('nextLatents', 'float32', latents.shape),
      modelOutput: guidedExpression(g, output, guidanceScale),
      sampleCoefficient: perPair('sampleCoefficient'),
      outputCoefficient: perPair('outputCoefficient'),
      stdDevT: perPair('stdDevT'),
    });
    const ratio = op.exp(g, op.sub(g, logProb, perPair('oldLogProb')));
    const surrogate = ddpoIsLoss(g, { ratio, advantage: perPair('advantage') }, settings);
    return [op.sumAll(g, op.mul(g, surrogate, perPair('weight'))), ratio] as const;
  });

  const parameters = adapters.flatMap(({ inputA, inputB }) => [inputA, inputB]);
  const derivatives = inModel(pipeline.folder.unet.modelPath, () =>
    gradients(
      g,
      loss,
      parameters.map((name) => g.value(name)),
    ),
  );
  g.output(loss, 'loss');
  g.output(ratio, 'ratio');
  for (const [index, derivative] of derivatives.entries())
    g.output(derivative, `gradient:${parameters[index]}`);
  return { graph: g.build(), adapters };
}

/** Puts the model's file in front of what its graph lacks. */
function inModel<Result>(path: string, derive: () => Result): Result {
  try {
    return derive();
  } catch (cause) {
    if (!(cause instanceof TributaryError)) throw cause;
    throw new TributaryError(cause.code, `${path}: ${cause.message}`, { cause });
  }
}
