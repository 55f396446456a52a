import type { ConfigSource } from './config-source.js';
import { createFault, describeValue, type Fault, type FaultDetail } from './fault.js';
import { isMapping } from './value-tree.js';

/** The version of the words that configs are written in. */
export const CONFIG_VERSION = 2;

/** Keys of version 1 that have another name now. */
const RENAMED_KEYS: Readonly<Record<string, string>> = {
  numStages: 'numRounds',
  groupsPerStage: 'groupsPerRound',
  everyStages: 'everyRounds',
  historyStages: 'historyRounds',
  updatesPerStage: 'updatesPerRound',
  rewards: 'reward',
};

/** Values of version 1 that are written otherwise now, by their key. */
const RENAMED_VALUES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  type: {
    intervalSchedule: 'schedule',
    branchRollouts: 'sampler',
    scoreRewards: 'reward',
    groupAdvantages: 'advantages',
    gradientSteps: 'trainer',
  },
  rule: { 'branch-centred': 'branch-centered' },
  from: { stage: 'round' },
};

/**
 * Returns the fault of a file that is written in another version of the words: one fault, whose next step lists the
 * words of the file that have changed. Every file that a config is made of says its version.
 */
export function versionFault({ value, placeOf }: ConfigSource): Fault | null {
  if (!isMapping(value) || value.version === CONFIG_VERSION) return null;
  const renamed = [...new Set(renamedWords(value))];
  const words = renamed.length === 0 ? '' : `, and ${renamed.join(', ')}`;
  const detail: FaultDetail = {
    kind: 'version',
    path: ['version'],
    expected: String(CONFIG_VERSION),
    got: value.version === undefined ? 'nothing' : describeValue(value.version),
    nextStep: `Write version: ${CONFIG_VERSION}${words}.`,
  };
  const place = placeOf(['version'], 'value') ?? placeOf([], 'value');
  return place ? createFault(place, detail) : null;
}

/** The words of version 1 that a config holds, each as `old as new`. */
function renamedWords(value: unknown, key = ''): string[] {
  if (typeof value === 'string') {
    const now = RENAMED_VALUES[key]?.[value];
    return now === undefined ? [] : [`${key}: ${value} as ${key}: ${now}`];
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) => {
    // The schedule's list of steps had the name of the section above it.
    const now = name === 'stages' && Array.isArray(inner) ? 'phases' : RENAMED_KEYS[name];
    return [...(now === undefined ? [] : [`${name} as ${now}`]), ...renamedWords(inner, name)];
  });
}
