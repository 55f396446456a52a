/**
 * @file Reverse-mode differentiation of a graph. The driver does once what every rule would have to remember: it visits
 * only nodes on a path to a requested parameter, sums where a value is used twice, undoes broadcasting, and checks.
 */

import { at } from '../../at.js';
import { TributaryError } from '../../errors.js';
import type { Node, Value } from '../graph/graph.js';
import { formatShape } from '../graph/graph.js';
import { isOpName } from '../graph/op-names.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import type { Expression } from '../graph/ops/expression.js';
import { isAttention } from '../graph/passes/attention.js';
import { isMixture } from '../graph/passes/mixture.js';
import { isSilu } from '../graph/passes/silu.js';
import { filled } from '../tensor.js';
import { attentionRule } from './attention-rule.js';
import { GRADIENT_RULES } from './gradient-rules.js';
import { mixtureRule } from './mixture-rule.js';
import { recomputation, type SegmentOf } from './recomputation.js';
import type { GradientRule } from './rule.js';
import { siluRule } from './silu-rule.js';

export interface GradientOptions {
  /** The parts of the forward pass that are computed again rather than kept; default none. */
  readonly segmentOf?: SegmentOf | undefined;
  /** dL/dL, a float32 scalar by which all derivatives are multiplied; default 1. */
  readonly seed?: Expression | undefined;
}

/**
 * Appends the backward pass of `loss` to the graph and returns dL/dp for every parameter, in order.
 *
 * Frozen weights never get gradients: only nodes that lie both under the loss and above a parameter are visited, and rules
 * are asked only for the inputs that lie there. A parameter that the loss does not depend on gets zeros.
 *
 * Errors: TRIB_GRAPH if the loss is not a float32 scalar; TRIB_NO_GRADIENT if an operator on the path has no rule.
 */
export function gradients(
  g: GraphBuilder,
  loss: Value,
  parameters: readonly Value[],
  { segmentOf = () => undefined, seed = g.scalar(1) }: GradientOptions = {},
): Expression[] {
  requireScalar(loss);
  const forward = [...g.nodes];
  const dependent = dependentValues(forward, parameters, g.barriers);
  /** dL/dv by the name of v, as far as it is summed up. */
  const known = new Map<string, Expression>();
  if (dependent.has(loss.name)) known.set(loss.name, seed);
  const nodeForGradient = recomputation(g, forward, segmentOf);

  for (const node of forward.toReversed()) {
    const outputGradients = node.outputs.map(({ name }) => known.get(name));
    const dy = outputGradients.find((gradient) => gradient !== undefined);
    const wanted = node.inputs.map((input) => (input && dependent.has(input.name) ? input : undefined));
    if (dy === undefined || wanted.every((input) => input === undefined)) continue;
    const rule = ruleOf(node, loss, parameters);
    if (rule.kind === 'zero') continue;
    g.derived(node, () => {
      const { inputs, outputs } = nodeForGradient(node, dy);
      const context = {
        g,
        node,
        inputs: inputs.map((input) => input && g.expression(input)),
        y: g.expression(at(outputs, 0)),
        outputs: outputs.map((output) => g.expression(output)),
        dy,
        outputGradients,
      };
      const inputGradients = g.scoped(`gradient${node.name}`, () => {
        const emitters = rule.derivative(context);
        return wanted.map((input, index) => input && (emitters[index] ?? noDerivative(node, index))());
      });
      for (const [index, input] of wanted.entries()) {
        const gradient = inputGradients[index];
        if (!input || !gradient) continue;
        const fitted = unbroadcast(gradient, input);
        known.set(input.name, known.get(input.name)?.add(fitted) ?? fitted);
      }
    });
  }
  return parameters.map(({ name, shape }) => known.get(name) ?? g.constant(filled(0, shape)));
}

function requireScalar(loss: Value): void {
  if (loss.shape.length === 0 && loss.type === 'float32') return;
  throw new TributaryError(
    'TRIB_GRAPH',
    `loss "${loss.name}": expected a float32 scalar, got ${loss.type} ${formatShape(loss.shape)}. Reduce it with meanAll or sumAll.`,
  );
}

/**
 * Names of the values through which a gradient can reach a parameter. Integers, truth values and the outputs of operators
 * whose derivative is zero are not among them, so nothing is computed for what lies behind them.
 */
function dependentValues(
  nodes: readonly Node[],
  parameters: readonly Value[],
  barriers: ReadonlySet<string>,
): ReadonlySet<string> {
  const dependent = new Set(parameters.map((parameter) => parameter.name));
  for (const node of nodes) {
    if (!node.inputs.some((input) => input !== undefined && dependent.has(input.name))) continue;
    if (node.domain === '' && isOpName(node.op) && GRADIENT_RULES[node.op].kind === 'zero') continue;
    for (const output of node.outputs)
      if (output.type.startsWith('float') && !barriers.has(output.name)) dependent.add(output.name);
  }
  return dependent;
}

function ruleOf(node: Node, loss: Value, parameters: readonly Value[]): GradientRule {
  if (isAttention(node)) return attentionRule;
  if (isMixture(node)) return mixtureRule;
  if (isSilu(node)) return siluRule;
  const rule = node.domain === '' && isOpName(node.op) ? GRADIENT_RULES[node.op] : undefined;
  if (rule !== undefined) return rule;
  const operator = node.domain === '' ? node.op : `${node.domain}.${node.op}`;
  throw new TributaryError(
    'TRIB_NO_GRADIENT',
    `${operator} "${node.name}": expected an operator with a gradient rule on the path from "${loss.name}" to "${parameters[0]?.name}"${parameters.length > 1 ? ` and ${parameters.length - 1} more` : ''}, got ${operator}. Export the model with other operators, or add a row to gradient-rules.ts.`,
  );
}

/** A gradient is wanted that the rule does not give. To leave it out would be a wrong gradient. */
function noDerivative(node: Node, index: number): never {
  throw new TributaryError(
    'TRIB_NO_GRADIENT',
    `${node.op} "${node.name}": expected input ${index} ("${node.inputs[index]?.name}") not to depend on a parameter, got one that does. Wrap it in stopGradient, or export the model with other operators.`,
  );
}

/** Sums a gradient over the axes along which its input was broadcast. */
function unbroadcast(derivative: Expression, input: Value): Expression {
  if (sameShape(derivative.shape, input.shape)) return derivative;
  const lead = derivative.shape.length - input.shape.length;
  if (lead < 0) {
    throw new TributaryError(
      'TRIB_INTERNAL',
      `gradient of "${input.name}": expected shape ${formatShape(input.shape)}, got ${formatShape(derivative.shape)}. Correct the operator's rule.`,
    );
  }
  const axes = derivative.shape.flatMap((size, axis) =>
    axis < lead || (size !== 1 && input.shape[axis - lead] === 1) ? [axis] : [],
  );
  const summed = axes.length > 0 ? derivative.reduceSum(axes) : derivative;
  return sameShape(summed.shape, input.shape) ? summed : summed.reshape(input.shape);
}

function sameShape(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((size, axis) => size === right[axis]);
}
