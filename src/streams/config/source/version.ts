import { at } from '../../../at.js';
import type { ConfigSource } from './config-source.js';
import { createFault, describeValue, type Fault } from './fault.js';
import { isMapping } from './value-tree.js';

/** The version of the words that configs are written in. */
export const CONFIG_VERSION = 2;

/** What version 1 called otherwise: keys, and values with their key. */
const RENAMED: ReadonlyMap<string, string> = new Map([
  ['centre', 'center'],
  ['everyStages', 'everyRounds'],
  ['groupsPerStage', 'groupsPerRound'],
  ['historyStages', 'historyRounds'],
  ['numStages', 'numRounds'],
  ['stepsPerStage', 'stepsPerRound'],
  ['updatesPerStage', 'updatesPerRound'],
  ['type: intervalSchedule', 'type: schedule'],
  ['type: branchRollouts', 'type: sampler'],
  ['type: scoreRewards', 'type: reward'],
  ['type: groupAdvantages', 'type: advantages'],
  ['type: gradientSteps', 'type: trainer'],
  ['rule: branch-centred', 'rule: branch-centered'],
  ['from: stage', 'from: round'],
  // Presets call the stage `reward`, so a file that extends one must, too. The topic is still called `rewards`.
  ['stages.rewards', 'stages.reward'],
]);

/** What to write for a word of version 1, a key or a value with its key, where one of these is its new name. */
export function newWordFor(word: string, known: readonly string[]): string | undefined {
  const renamed = RENAMED.get(word);
  const isKnown = renamed !== undefined && known.includes(renamed.replace(/^.*: /, ''));
  return isKnown ? `Since version ${CONFIG_VERSION} it is \`${renamed}\`.` : undefined;
}

/**
 * Returns the fault of a file that does not say the version of today: one fault, whose next step lists every word of
 * the file that has changed. Each file that a config is made of says its version.
 */
export function versionFault({ value, placeOf }: ConfigSource): Fault | null {
  if (!isMapping(value) || value.version === CONFIG_VERSION) return null;
  const place = placeOf(['version'], 'value') ?? placeOf([], 'value');
  if (!place) return null;
  const version = `version: ${CONFIG_VERSION}`;
  const words = [...new Set(renamedWords(value))].join(', ');
  return createFault(place, {
    kind: 'version',
    path: ['version'],
    expected: String(CONFIG_VERSION),
    got: describeValue(value.version),
    nextStep: words === '' ? `Write ${version}.` : `Write ${version}, and ${words}.`,
  });
}

/** The words of version 1 below a key, each as `old as new`. */
function renamedWords(value: unknown, above = ''): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([path, inner]) => {
    // Studies join keys by dots.
    const keys = [above, ...path.split('.')];
    const key = at(keys, -1);
    const old = [...keys.slice(1), ...keys.slice(1).map((one, index) => `${keys[index]}.${one}`)];
    if (typeof inner === 'string') old.push(`${key}: ${inner}`);
    const words = old.flatMap((word) => (RENAMED.has(word) ? [`${word} as ${RENAMED.get(word)}`] : []));
    // The schedule's list had the name of the section that it stands in.
    if (key === 'stages' && Array.isArray(inner)) words.push('stages as phases');
    return [...words, ...renamedWords(inner, key)];
  });
}
