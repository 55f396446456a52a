/** @file A network in pretraining: a graph with trainable inputs, and the batches it learns from. */

import { at } from '../../at.js';
import { gradients } from '../autodiff/backward.js';
import type { Tensors } from '../engines/contract/engine.js';
import type { Graph } from '../graph/graph.js';
import { GraphBuilder } from '../graph/ops/builder.js';
import type { Expression } from '../graph/ops/expression.js';
import { lowerForTraining } from '../graph/passes/lower.js';
import { trainableWeights, type WeightSource, type WeightSpec } from '../networks/weights.js';

export interface Trainee {
  readonly label: string;
  readonly weights: readonly WeightSpec[];
  /** Inputs: the weights and a run of a batch. Outputs: `loss`, and `gradient:<weight>` for every weight. */
  readonly graph: Graph;
  /** The batch of a step, in runs of one size; equal steps have equal batches. The loss is the mean of that of the runs. */
  readonly batch: (step: number) => readonly Tensors[];
}

export const gradientName = (weight: string) => `gradient:${weight}`;

/** Builds a training graph: the loss of a network, and its gradient with respect to every weight that the network asks for. */
export function trainingGraph(
  build: (g: GraphBuilder, weights: WeightSource) => Expression,
): Pick<Trainee, 'graph' | 'weights'> {
  const forward = new GraphBuilder();
  const weights: WeightSpec[] = [];
  forward.output(build(forward, trainableWeights(forward, weights)), 'loss');
  const g = GraphBuilder.from(lowerForTraining(forward.build()));
  const parameters = weights.map(({ name }) => g.value(name));
  const derivatives = gradients(g, g.value('loss'), parameters);
  for (const [index, { name }] of weights.entries()) g.output(at(derivatives, index), gradientName(name));
  return { graph: g.build(), weights };
}
