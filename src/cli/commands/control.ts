import { Argument, type Command, InvalidArgumentError } from 'commander';
import { TributaryError } from '../../errors.js';
import { loadTopology } from '../../streams/config/load-topology.js';
import type { ResolvedConfig } from '../../streams/config/schema/topology-schema.js';
import {
  type ControlChange,
  changeGuard,
  freeze,
  moveSchedule,
  replacePrompts,
  reset,
  scaleLearningRate,
  unfreeze,
} from '../../streams/control/control-changes.js';
import { changeControl, readControl } from '../../streams/control/operate-control.js';
import { readPrompts } from '../../streams/prompt-files/read-prompts.js';
import { collect } from '../input/options.js';
import { controlTable } from '../output/control-table.js';
import { warn } from '../output/log.js';

interface ControlOptions {
  readonly set: readonly string[];
  readonly threshold?: number;
  readonly action?: string;
}

type ReadChange = (
  value: string | undefined,
  options: ControlOptions,
  config: ResolvedConfig,
) => ControlChange | Promise<ControlChange>;

/** Turns the value of each command into a change. */
const CHANGES: Readonly<Record<string, ReadChange>> = {
  freeze: (value) => freeze(value === undefined ? null : whole('freeze', 0, value)),
  unfreeze: () => unfreeze,
  advance: (value = '1') => moveSchedule(whole('advance', 1, value)),
  rewind: (value = '1') => moveSchedule(-whole('rewind', 1, value)),
  'learning-rate-scale': (value) => scaleLearningRate(Number(required(value, 'a factor above 0'))),
  guard: (value, { threshold, action }, { guards }) =>
    changeGuard(guards, required(value, 'the name of a guard'), {
      ...(threshold !== undefined && { threshold }),
      ...(action !== undefined && { action }),
    }),
  prompts: async (value, _, config) =>
    replacePrompts((await readPrompts(required(value, 'a file with prompts'), config)).prompts),
  reset: () => reset,
};
const TAKES_NO_VALUE = ['show', 'unfreeze', 'reset'];

/** `tributary control`: changes a run that other processes are running. */
export function addControlCommand(program: Command): void {
  program
    .command('control')
    .description('change a run in progress, from its next round on')
    .argument('<config>', 'YAML file of the topology')
    .addArgument(new Argument('<command>', 'what to do').choices(['show', ...Object.keys(CHANGES)]))
    .argument('[value]', 'position, number of rounds, factor, name of a guard, or file with prompts')
    .option('--threshold <x>', 'for guard: the largest value without an alarm', figure)
    .option('--action <action>', 'for guard: what to do on an alarm')
    .option(
      '--set <key=value>',
      'override a value of the config, same as for the run; repeatable',
      collect,
      [],
    )
    .action(control);
}

async function control(
  path: string,
  command: string,
  value: string | undefined,
  options: ControlOptions,
): Promise<void> {
  const config = await loadTopology(path, options.set);
  if (value !== undefined && TAKES_NO_VALUE.includes(command))
    throw usage(command, 'nothing after it', JSON.stringify(value));
  if (command !== 'guard' && (options.threshold ?? options.action) !== undefined)
    throw usage(command, '--threshold and --action only with guard', 'one of them');
  const read = CHANGES[command];
  if (!read) {
    const { wanted, place } = await readControl(config, warn);
    console.log(controlTable({ states: { is: wanted }, place }));
    return;
  }
  const change = await read(value, options, config);
  const { before, after, place } = await changeControl(config, change, warn);
  console.log(controlTable({ states: { was: before, is: after }, place }));
}

function figure(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError('Expected a number of at least 0.');
}

function whole(command: string, least: number, text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least) return value;
  throw usage(command, `a whole number of at least ${least}`, JSON.stringify(text));
}

function required(value: string | undefined, expected: string): string {
  if (value !== undefined && value.trim() !== '') return value;
  throw new TributaryError(
    'TRIB_USAGE',
    `control: expected ${expected}, got nothing. Add it to the command.`,
  );
}

function usage(command: string, expected: string, got: string): TributaryError {
  return new TributaryError(
    'TRIB_USAGE',
    `control ${command}: expected ${expected}, got ${got}. Nothing was changed; correct the command.`,
  );
}
