import { isObservable, type Observable, type ObservableInput } from 'rxjs';
import { TributaryError } from '../../../errors.js';
import { quoteThrown } from '../../../own-entries.js';
import { importModule, type ModuleProblem } from '../../../own-modules.js';
import type { StageConfig } from '../../config/schema/topology-schema.js';
import type { OperableMessage } from './port-check.js';

/** An operator over the messages of a topic. */
export type MessageOperator = (messages$: Observable<OperableMessage>) => ObservableInput<unknown>;

/** How a stage names its operator. */
type OperatorSettings = Pick<StageConfig<'operator'>, 'module' | 'options'>;

/**
 * Loads the module of an operator stage: its default export is a function from `options` to an RxJS operator.
 *
 * Errors: TRIB_FILE where the module does not load, exports no function, or that returns none.
 */
export async function loadOperator(name: string, settings: OperatorSettings): Promise<MessageOperator> {
  const operator = await readOperator(settings);
  if (typeof operator === 'function') return operator;
  const { expected, got } = operator;
  throw new TributaryError(
    'TRIB_FILE',
    `stages.${name}.module ${settings.module}: expected ${expected}, got ${got}. Correct the module, see docs/topology.md.`,
    { stage: name },
  );
}

/** As `loadOperator`, but returns what is wrong. */
export async function readOperator({
  module: path,
  options,
}: OperatorSettings): Promise<MessageOperator | ModuleProblem> {
  const imported = await importModule(path);
  if ('got' in imported) return imported;
  const { exported } = imported;
  if (typeof exported.default !== 'function') {
    const got = Object.keys(exported).includes('default') ? typeof exported.default : 'no default export';
    return { expected: 'a default export that is a function from options to an RxJS operator', got };
  }
  const expected = 'its function to return an RxJS operator';
  let operator: unknown;
  try {
    operator = exported.default(options);
  } catch (cause) {
    return { expected, got: quoteThrown(cause) };
  }
  if (typeof operator === 'function') return (messages$) => operator(messages$);
  const got = isObservable(operator)
    ? 'a stream'
    : operator instanceof Promise
      ? 'a promise'
      : operator === null
        ? 'null'
        : typeof operator;
  return { expected, got };
}
