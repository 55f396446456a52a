import { TributaryError } from '../../errors.js';

/** Returns the fault of a buffer that is asked to hold one more than its bound. */
export function overflowError(buffer: string, bound: string, option: string): TributaryError {
  return new TributaryError(
    'TRIB_OVERFLOW',
    `${buffer}: expected at most ${bound}, got one more. Raise \`${option}\` or lower \`runAhead\`.`,
  );
}

/**
 * Returns the fault with its place in front of its text; `work` is in words, such as `round 3`. Code and `retryable` are
 * those of a TributaryError; anything else becomes TRIB_INTERNAL. The original stays reachable as `cause`.
 */
export function stageError(
  error: unknown,
  { stage, work, groupId }: { readonly stage: string; readonly work: string; readonly groupId?: string },
): TributaryError {
  const known = error instanceof TributaryError ? error : undefined;
  const text = error instanceof Error ? error.message : String(error);
  return new TributaryError(known?.code ?? 'TRIB_INTERNAL', `${stage}, ${work}: ${text}`, {
    retryable: known?.retryable ?? false,
    stage,
    ...(groupId === undefined ? {} : { groupId }),
    cause: error,
  });
}
