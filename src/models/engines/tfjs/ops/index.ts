/** @file Every operator that the tfjs engine runs: those that Tributary writes, and those that exporters add. */

import type { OpName } from '../../../graph/op-names.js';
import { convolutionOps } from './convolution.js';
import { elementwiseOps } from './elementwise.js';
import { fusedOps } from './fused.js';
import { linearOps } from './linear.js';
import { movementOps } from './movement.js';
import { normalizationOps } from './normalization.js';
import type { Op } from './op.js';
import { reductionOps } from './reduction.js';
import { resamplingOps } from './resampling.js';
import { shapeArithmeticOps } from './shape-arithmetic.js';

const OPS: Readonly<Record<OpName, Op>> = {
  ...elementwiseOps,
  ...reductionOps,
  ...linearOps,
  ...movementOps,
  ...normalizationOps,
  ...convolutionOps,
  ...resamplingOps,
};

const BY_DOMAIN: Readonly<Record<string, ReadonlyMap<string, Op>>> = {
  '': new Map(Object.entries({ ...OPS, ...shapeArithmeticOps })),
  'com.microsoft': new Map(Object.entries(fusedOps)),
};

/** Finds an operator by domain and name; undefined if there is none. */
export function findOp(domain: string, op: string): Op | undefined {
  return BY_DOMAIN[domain]?.get(op);
}
