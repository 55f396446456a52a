/** @file Convolutions of a finished graph as others that compute the same, up to rounding, with fewer operations. */

import type { Graph, Node, Value } from '../graph.js';
import type { GraphBuilder } from '../ops/builder.js';
import { narrowConvolution } from './narrow-convolution.js';
import { type GraphView, rewriteGraph } from './rewrite.js';
import { smallConvolution, stridedConvolution } from './subpixel.js';

/** Returns the same function. Gradients must have been derived before. */
export const withCheaperConvolutions = (graph: Graph): Graph =>
  rewriteGraph(
    graph,
    (g, node, view) => cheaperConvolution(g, node, view) ?? stridedConvolution(g, node, view),
  );

/** The value that replaces a convolution of the forward pass, if there is a cheaper way. */
export const cheaperConvolution = (g: GraphBuilder, node: Node, view: GraphView): Value | undefined =>
  smallConvolution(g, node, view) ?? narrowConvolution(g, node);
