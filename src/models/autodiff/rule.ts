/** @file What a gradient rule is, and the three ways to have none. */

import type { Node } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import type { Expression } from '../graph/ops/expression.js';

export interface RuleContext {
  readonly g: GraphBuilder;
  readonly node: Node;
  /** Inputs by position; a rule may ask for any that its operator requires. */
  readonly x: readonly Expression[];
  /** Outputs by position. */
  readonly y: readonly Expression[];
  /** dL/dy for every output; `undefined` for outputs that the loss does not depend on (the first is always there where only it is used). */
  readonly upstreams: readonly (Expression | undefined)[];
  /** dL/dy of the first output. */
  readonly dy: Expression;
  /** Whether the gradient of an input is wanted: a rule skips the work for those that are not. */
  readonly wants: (input: number) => boolean;
}

/** dL/dx for every input, `undefined` where not wanted or where the input has none. Broadcasting is undone by the driver. */
export type Derivative = (context: RuleContext) => readonly (Expression | undefined)[];

export type GradientRule =
  | { readonly kind: 'derivative'; readonly derivative: Derivative }
  /** The derivative is zero almost everywhere, so nothing flows. */
  | { readonly kind: 'zero'; readonly reason: string }
  /** A gradient exists or might, and this program does not have it: an error when it is on the path. */
  | { readonly kind: 'none'; readonly reason: string };

export const rule = (derivative: Derivative): GradientRule => ({ kind: 'derivative', derivative });
export const zero = (reason: string): GradientRule => ({ kind: 'zero', reason });
export const notDifferentiable = (reason: string): GradientRule => ({ kind: 'none', reason });

/** The rule of an operator with one input. */
export const unary = (
  derivative: (context: RuleContext & { readonly x0: Expression; readonly y0: Expression }) => Expression,
): GradientRule =>
  rule((context) => [
    derivative({ ...context, x0: context.x[0] as Expression, y0: context.y[0] as Expression }),
  ]);

/** The rule of an operator with two inputs; each side is computed only if wanted. */
export const binary = (
  left: (context: RuleContext, a: Expression, b: Expression) => Expression,
  right: (context: RuleContext, a: Expression, b: Expression) => Expression,
): GradientRule =>
  rule((context) => {
    const [a, b] = context.x as [Expression, Expression];
    return [
      context.wants(0) ? left(context, a, b) : undefined,
      context.wants(1) ? right(context, a, b) : undefined,
    ];
  });
