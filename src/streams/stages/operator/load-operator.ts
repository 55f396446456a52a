import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isObservable, type Observable, type ObservableInput } from 'rxjs';
import { TributaryError } from '../../../errors.js';
import type { StageConfig } from '../../config/schema/topology-schema.js';
import type { OperableMessage } from './port-check.js';

/** An operator over the messages of a topic. */
export type MessageOperator = (messages$: Observable<OperableMessage>) => ObservableInput<unknown>;

/**
 * Loads the module of an operator stage: its default export is a function from `options` to an RxJS operator.
 *
 * Errors: TRIB_FILE where the module does not load, exports no function, or that returns none.
 */
export async function loadOperator(
  name: string,
  { module: path, options }: Pick<StageConfig<'operator'>, 'module' | 'options'>,
): Promise<MessageOperator> {
  const fault = (expected: string, got: string, cause?: unknown) =>
    new TributaryError(
      'TRIB_FILE',
      `stages.${name}.module ${path}: expected ${expected}, got ${got}. Correct the module, see docs/topology.md.`,
      { stage: name, cause },
    );
  const loaded: { readonly default?: unknown } = await import(pathToFileURL(resolve(path)).href).catch(
    (cause: unknown) => {
      throw fault('a module that loads', `"${String(cause)}"`, cause);
    },
  );
  if (typeof loaded.default !== 'function')
    throw fault(
      'a default export that is a function from options to an RxJS operator',
      Object.keys(loaded).includes('default') ? typeof loaded.default : 'no default export',
    );
  let operator: unknown;
  try {
    operator = loaded.default(options);
  } catch (cause) {
    throw fault('its function to return an RxJS operator', `"${String(cause)}"`, cause);
  }
  if (typeof operator !== 'function')
    throw fault(
      'its function to return an RxJS operator',
      isObservable(operator) ? 'a stream' : operator === null ? 'null' : typeof operator,
    );
  return (messages$) => operator(messages$);
}
