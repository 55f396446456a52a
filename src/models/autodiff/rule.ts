/** @file What a gradient rule is. */

import type { Node } from '../graph/graph.js';
import type { GraphBuilder } from '../graph/ops/builder.js';
import type { Expression } from '../graph/ops/expression.js';

type Inputs = readonly (Expression | undefined)[];

/** A node on the path from the loss to a parameter, as its rule sees it. */
export interface RuleContext<Given extends Inputs = Inputs> {
  readonly g: GraphBuilder;
  readonly node: Node;
  readonly inputs: Given;
  /** The first output. */
  readonly y: Expression;
  readonly outputs: readonly Expression[];
  /** dL/dy of the first output; where the loss does not depend on that one, of the first that it depends on. */
  readonly dy: Expression;
  /** dL/dy of every output; `undefined` where the loss does not depend on it. */
  readonly outputGradients: Inputs;
}

/** Emits dL/dx of an input. It is called only if that is wanted; the driver undoes broadcasting. */
export type InputGradient = () => Expression;

/** Returns what emits dL/dx, for each input in order; `undefined` for an input without a derivative. */
type Derivative<Given extends Inputs = Inputs> = (
  context: RuleContext<Given>,
) => readonly (InputGradient | undefined)[];

export type GradientRule =
  | { readonly kind: 'derivative'; readonly derivative: Derivative }
  /** The derivative is zero almost everywhere, so nothing flows. */
  | { readonly kind: 'zero'; readonly reason: string };

/** The rule of an operator with these inputs. The operator's shape rule has checked that they are present. */
export const rule = <Given extends Inputs>(derivative: Derivative<Given>): GradientRule => ({
  kind: 'derivative',
  derivative: derivative as Derivative,
});

export const zero = (reason: string): GradientRule => ({ kind: 'zero', reason });

interface Unary extends RuleContext<readonly [Expression]> {
  readonly x: Expression;
}

/** The rule of an operator y = f(x): its dx. Further inputs, such as axes, have no derivative. */
export const unary = (dx: (context: Unary) => Expression): GradientRule =>
  rule<readonly [Expression]>((context) => [() => dx({ ...context, x: context.inputs[0] })]);

interface Binary extends RuleContext<readonly [Expression, Expression]> {
  readonly a: Expression;
  readonly b: Expression;
}

/** The rule of an operator y = f(a, b): its da and db. */
export const binary = (of: {
  readonly da: (context: Binary) => Expression;
  readonly db: (context: Binary) => Expression;
}): GradientRule =>
  rule<readonly [Expression, Expression]>((context) => {
    const [a, b] = context.inputs;
    return [() => of.da({ ...context, a, b }), () => of.db({ ...context, a, b })];
  });
