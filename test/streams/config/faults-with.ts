import { type LintOptions, lintTopology } from '../../../src/streams/config/lint-topology.js';
import { SMALLEST, withLine } from './valid-config.js';

/** What stands in a stage before the settings of a test. */
const STAGES = {
  prompts: 'prompts: { type: prompts, train: t, heldOut: h',
  schedule: 'schedule: { type: schedule',
  sampler: 'sampler: { type: sampler',
  advantages: 'advantages: { type: advantages',
  trainer: 'trainer: { type: trainer',
};

/** Settings of stages as YAML, such as `{ sampler: 'eta: 0.5, numBranches: 2' }`. */
export type StageSettings = Partial<Record<keyof typeof STAGES, string>>;

/** The smallest config with other settings of some stages. */
export function textWith(settings: StageSettings): string {
  return Object.entries(settings).reduce(
    (text, [name, fields]) =>
      withLine(`${name}:`, `${STAGES[name as keyof typeof STAGES]}, ${fields} }`, text),
    SMALLEST,
  );
}

/** What lint says of the smallest config with other settings of some stages. */
export function faultsWith(settings: StageSettings, options: Pick<LintOptions, 'model'> = {}): string[] {
  return lintTopology(textWith(settings), 'a.yaml', options).faults.map(({ message }) => message);
}
