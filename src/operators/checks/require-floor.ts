import { TributaryError } from '../../errors.js';

/**
 * Checks that an operator's option is a finite number of at least `least`.
 *
 * Errors: TRIB_OPERATOR.
 */
export function requireFloor(operator: string, option: string, value: number, least: number): void {
  if (Number.isFinite(value) && value >= least) return;
  throw new TributaryError(
    'TRIB_OPERATOR',
    `${operator} \`${option}\`: expected a finite number of at least ${least}, got ${value}. Correct the option.`,
  );
}
