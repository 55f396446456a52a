import { TributaryError } from '../../errors.js';

/** Returns the fault of a buffer that would have to hold one more than its bound. */
export function overflowError(buffer: string, bound: string, option: string): TributaryError {
  return new TributaryError(
    'TRIB_OVERFLOW',
    `${buffer}: expected at most ${bound}, got one more. Raise \`${option}\` or lower \`runAhead\`.`,
  );
}
