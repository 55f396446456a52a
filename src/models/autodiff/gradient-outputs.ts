import type { Engine, GradientRequest } from '../engines/contract/engine.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import type { Expression } from '../graph/ops/expression.js';
import { gradients } from './backward.js';
import type { SegmentOf } from './recomputation.js';

/**
 * Makes `loss` an output, and dL/dp of every parameter an output `gradient:<name>`: for an engine that differentiates, by
 * the request that is returned and goes to `compile`; for another one, by a backward pass that is appended to the graph.
 *
 * @param segmentOf parts that the appended backward pass computes again (see `gradients`); the tape of an engine keeps all.
 * @param seed what the derivatives are multiplied by (see `gradients`); none with an engine that differentiates.
 * @throws as `gradients`, where the backward pass is appended.
 */
export function gradientOutputs(
  engine: Pick<Engine, 'differentiates'>,
  g: GraphBuilder,
  loss: Expression,
  parameters: readonly Expression[],
  segmentOf?: SegmentOf,
  seed?: Expression,
): GradientRequest | undefined {
  if (engine.differentiates) {
    g.output(loss, 'loss');
    return { loss: 'loss', parameters: parameters.map(({ name }) => name), barriers: [...g.barriers] };
  }
  const derivatives = gradients(g, loss, parameters, segmentOf, seed);
  g.output(loss, 'loss');
  for (const [index, derivative] of derivatives.entries())
    g.output(derivative, `gradient:${parameters[index]?.name}`);
  return undefined;
}
