import { TributaryError } from '../../errors.js';

/** Errors: TRIB_OPERATOR unless an operator's option is an integer of at least `least`. */
export function requireCount(operator: string, option: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new TributaryError(
    'TRIB_OPERATOR',
    `${operator} \`${option}\`: expected an integer of at least ${least}, got ${value}. Pass a whole number.`,
  );
}

/** Errors: TRIB_OPERATOR unless an operator's option is a finite number of at least `least`. */
export function requireFloor(operator: string, option: string, value: number, least: number): void {
  if (Number.isFinite(value) && value >= least) return;
  throw new TributaryError(
    'TRIB_OPERATOR',
    `${operator} \`${option}\`: expected a finite number of at least ${least}, got ${value}. Correct the option.`,
  );
}
