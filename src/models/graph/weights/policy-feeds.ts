/** @file The parameters of a policy as feeds of a graph. */

import { TributaryError } from '../../../errors.js';
import { someOf } from '../../adapters/lora-layer.js';
import type { NamedArrays } from '../../optimizers/adamw.js';
import { elementCount, float32, type Tensor } from '../../tensor.js';
import { formatShape } from '../graph.js';
import { type Adapter, adapterShapes, type LoraSettings } from './lora.js';
import type { PolicyInputs } from './policy-network.js';

/**
 * Returns a policy's parameters as tensors, in the shapes that the graph takes.
 *
 * Errors: TRIB_LORA if they are not those of the network, naming what does not fit.
 */
export function policyFeeds(
  { adapters, weights }: Omit<PolicyInputs, 'component'>,
  parameters: NamedArrays,
  lora: Pick<LoraSettings, 'rank'> | null,
): Record<string, Tensor> {
  if (lora) return adapterFeeds(adapters, parameters, lora.rank);
  const feeds = requireFit(
    weights.map(({ input, shape }) => [input, shape]),
    parameters,
    'weights: expected those of the model',
    'Use weights that were trained on this model.',
  );
  const surplus = Object.keys(parameters).filter((name) => !(name in feeds));
  if (surplus.length === 0) return feeds;
  throw new TributaryError(
    'TRIB_LORA',
    `weights: expected only those of the model, got others, too: ${someOf(surplus)}. Use weights that were trained on this model.`,
  );
}

/** The same for an adapter. */
export function adapterFeeds(
  adapters: readonly Adapter[],
  parameters: NamedArrays,
  rank: number,
): Record<string, Tensor> {
  const shapes = adapters.flatMap((adapter) => {
    const { a, b } = adapterShapes(adapter, rank);
    return [[adapter.inputA, a] as const, [adapter.inputB, b] as const];
  });
  return requireFit(
    shapes,
    parameters,
    "adapter: expected the parameters of the model's layers",
    'Use an adapter that was made for this model, rank and pattern.',
  );
}

function requireFit(
  shapes: readonly (readonly [name: string, shape: readonly number[]])[],
  parameters: NamedArrays,
  expected: string,
  nextStep: string,
): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {};
  const faults: string[] = [];
  for (const [name, shape] of shapes) {
    const data = parameters[name];
    if (data?.length === elementCount(shape)) feeds[name] = float32(data, shape);
    else faults.push(`${name} ${formatShape(shape)} (got ${data?.length ?? 'none'})`);
  }
  if (faults.length === 0) return feeds;
  const more = faults.length > 4 ? ` and ${faults.length - 4} more` : '';
  throw new TributaryError(
    'TRIB_LORA',
    `${expected}, got others for ${faults.slice(0, 4).join(', ')}${more}. ${nextStep}`,
  );
}
