import { at } from '../../at.js';
import type { Engine, GradientRequest } from '../engines/contract/engine.js';
import type { Value } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import { type GradientOptions, gradients } from './backward.js';

/**
 * Makes `loss` an output, and dL/dp of every parameter an output `gradient:<name>`. An engine that differentiates does so by
 * the request that is returned and goes to `compile`, and takes no options: its tape keeps everything. For any other, a
 * backward pass is appended to the graph.
 *
 * Errors: those of `gradients`, where a backward pass is appended.
 */
export function gradientOutputs(
  engine: Pick<Engine, 'differentiates'>,
  g: GraphBuilder,
  loss: Value,
  { parameters, ...options }: GradientOptions & { readonly parameters: readonly Value[] },
): GradientRequest | undefined {
  if (engine.differentiates) {
    g.output(loss, 'loss');
    return { loss: 'loss', parameters: parameters.map(({ name }) => name), barriers: [...g.barriers] };
  }
  const derivatives = gradients(g, loss, parameters, options);
  g.output(loss, 'loss');
  for (const [index, { name }] of parameters.entries()) g.output(at(derivatives, index), `gradient:${name}`);
  return undefined;
}
