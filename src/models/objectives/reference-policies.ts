/** @file The policies that a surrogate compares with, as its loss gets hold of them. */

import { TributaryError } from '../../errors.js';
import type { ReferencePolicy } from './surrogate.js';

/**
 * Returns what the reference policy says of the rows.
 * @throws TRIB_INTERNAL where the training graph left out a policy that the surrogate's `references` ask for.
 */
export function requireReference<Policy>(
  values: { readonly [Name in ReferencePolicy]?: Policy },
  name: ReferencePolicy,
  surrogate: string,
): Policy {
  const policy = values[name];
  if (policy !== undefined) return policy;
  throw new TributaryError(
    'TRIB_INTERNAL',
    `surrogate "${surrogate}": expected the values of the policy \`${name}\`, got none. Compute the policies that its \`references\` name.`,
  );
}
