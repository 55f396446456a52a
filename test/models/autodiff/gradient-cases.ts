/** @file Every gradient case, by family. A new rule needs a case here: a test walks the table of rules. */

import { convolutionCases } from './cases/convolution-cases.js';
import { elementwiseCases } from './cases/elementwise-cases.js';
import { linearCases } from './cases/linear-cases.js';
import { movementCases } from './cases/movement-cases.js';
import { normalizationCases } from './cases/normalization-cases.js';
import { reductionCases } from './cases/reduction-cases.js';
import type { OpCase } from './op-case.js';

export const GRADIENT_CASES: Readonly<Record<string, readonly OpCase[]>> = {
  elementwise: elementwiseCases,
  reductions: reductionCases,
  'linear algebra': linearCases,
  movement: movementCases,
  normalization: normalizationCases,
  'convolution and resampling': convolutionCases,
};
