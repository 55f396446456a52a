/** @file Applies changes of weights, such as an adapter, to the constants of a graph that is about to run. */
import { float32, type Tensor } from '../../tensor.js';
import type { Graph, StoredTensor } from '../graph.js';
import { namedWeights, numbersOf } from './free-weights.js';
import { type Layout, requireFit, type WeightChange } from './weight-change.js';

interface Target {
  readonly constant: string;
  readonly tensor: Tensor | StoredTensor;
  /** PyTorch's shape, or its transpose. */
  readonly shape: readonly number[];
  readonly layout: Layout;
}

/**
 * Returns the graph with changed weights, which are in memory then, wherever they were. No changes, the same graph.
 *
 * Errors: TRIB_LORA, naming everything that does not fit, if the graph lacks a weight or has it in another size.
 */
export function changedGraph(graph: Graph, changes: readonly WeightChange[], label: string): Graph {
  if (changes.length === 0) return graph;
  const constants = new Map<string, Tensor | StoredTensor>([...graph.initializers, ...graph.stored]);
  const targets = new Map<string, Target>();
  for (const [constant, { name, isTransposed }] of namedWeights(graph, constants)) {
    const tensor = constants.get(constant) as Tensor | StoredTensor;
    const isPerChannel = tensor.shape.length === 3;
    const shape = isPerChannel ? tensor.shape.slice(0, 1) : tensor.shape;
    const layout = isTransposed ? 'in-out' : shape.length === 2 ? 'out-in' : 'kernels';
    targets.set(name, { constant, tensor, shape, layout });
  }
  requireFit(changes, targets, label);
  const [initializers, stored] = [new Map(graph.initializers), new Map(graph.stored)];
  for (const { name, apply } of changes) {
    const { constant, tensor, shape, layout } = targets.get(name) as Target;
    const values = numbersOf(tensor).slice();
    apply(values, layout, shape);
    initializers.set(constant, float32(values, tensor.shape));
    stored.delete(constant);
  }
  return { ...graph, initializers, stored };
}
