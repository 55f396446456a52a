/** @file What no single field of a study can be blamed for: names, seeds, budgets and rows that cannot be compared. */
import { deriveSizes } from '../../config/resolved/derived-sizes.js';
import { stageOf } from '../../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import { describeValue, type FaultDetail, type Path, suggest } from '../../config/source/fault.js';
import { allDifferences, firstDifference } from '../../config/source/first-difference.js';
import type { StudyRow } from './study.js';
import type { StudyFile } from './study-schema.js';

/** Returns the faults across the fields of a study, and across the configs of its rows as far as they lint. */
export function findStudyFaults(file: StudyFile, rows: readonly StudyRow[]): FaultDetail[] {
  return [
    ...seedFaults(file),
    ...nameFaults(file),
    ...budgetFaults(file, rows),
    ...evaluationFaults(rows),
    ...armFaults(file, rows),
    ...differInFaults(file, rows),
    ...guardFaults(rows),
  ];
}

/** Seeds that the study does not have, and a seed that a row sets for itself. */
function seedFaults(file: StudyFile): FaultDetail[] {
  const seedSet = (place: Path, set: StudyFile['set']): FaultDetail[] =>
    'seed' in set
      ? [
          {
            kind: 'contradiction',
            path: [...place, 'set', 'seed'],
            expected: 'no seed, which the study sets',
            got: describeValue(set.seed),
            nextStep: 'Name the seeds of a row in its `seeds`.',
          },
        ]
      : [];
  const ofRows = Object.entries(file.rows).flatMap(([name, { seeds = [], set }]) => [
    ...seeds
      .filter((seed) => !file.seeds.includes(seed))
      .map((seed): FaultDetail => {
        const path = ['rows', name, 'seeds', seeds.indexOf(seed)];
        const expected = `one of the study's seeds ${file.seeds.join(', ')}`;
        const nextStep = "Add it to the study's seeds, or remove it here.";
        return { kind: 'unknown-word', path, expected, got: String(seed), nextStep };
      }),
    ...seedSet(['rows', name], set),
  ]);
  return [...seedSet([], file.set), ...ofRows];
}

/** Names of rows, where they are used, that no row has. */
function nameFaults({ rows, charts = [], sections, outdated }: StudyFile): FaultDetail[] {
  const known = Object.keys(rows);
  const places: [Path, string][] = [
    ...charts.map((name, at): [Path, string] => [['charts', at], name]),
    ...sections.flatMap(({ rows: named, baseline }, index): [Path, string][] => [
      ...named.map((name, at): [Path, string] => [['sections', index, 'rows', at], name]),
      [['sections', index, 'baseline'], baseline],
    ]),
    ...outdated.flatMap(({ rows: named }, index) =>
      named.map((name, at): [Path, string] => [['outdated', index, 'rows', at], name]),
    ),
  ];
  return places
    .filter(([, name]) => !known.includes(name))
    .map(([path, name]): FaultDetail => {
      const nextStep = suggest(name, known, 'Add it to `rows`.');
      const expected = `one of the rows ${known.join(', ')}`;
      return { kind: 'unknown-word', path, expected, got: `"${name}"`, nextStep };
    });
}

function budgetFaults(file: StudyFile, rows: readonly StudyRow[]): FaultDetail[] {
  return rows.flatMap(({ name, config }): FaultDetail[] => {
    const { rewardQueries, imagesPerRound } = deriveSizes(config);
    const own = file.rows[name]?.budget;
    const budget = own ?? file.budget;
    if (rewardQueries === budget.rewardQueries) return [];
    const rounds = budget.rewardQueries / imagesPerRound;
    return [
      {
        kind: 'contradiction',
        path: ['rows', name],
        thing: 'reward queries',
        expected: `the ${own ? "row's" : "study's"} budget of ${budget.rewardQueries}`,
        got: `${rewardQueries}, ${imagesPerRound} a round`,
        nextStep: Number.isInteger(rounds)
          ? `Set numRounds of its prompts to ${rounds}.`
          : `Change groupsPerRound or numBranches: ${imagesPerRound} does not divide the budget.`,
      },
    ];
  });
}

/** Rows that are measured differently cannot be compared. */
function evaluationFaults(rows: readonly StudyRow[]): FaultDetail[] {
  const measured = ({ evaluation: { everyRounds: _, ...rest } }: ResolvedConfig) => rest;
  const [first] = rows;
  return rows.flatMap(({ name, config }): FaultDetail[] => {
    const difference = first && firstDifference(measured(first.config), measured(config));
    if (!difference) return [];
    return [
      {
        kind: 'contradiction',
        path: ['rows', name],
        thing: `evaluation.${difference.path}`,
        expected: `${difference.left} as in row "${first.name}"`,
        got: difference.right,
        nextStep: 'Evaluate all rows alike.',
      },
    ];
  });
}

/** What rows that are compared with each other draw from, are rewarded by, and are drawn with. */
function sharedSettings(config: ResolvedConfig): object {
  const { train, heldOut, choice } = stageOf(config, 'prompts');
  const { name: _, ...reward } = stageOf(config, 'reward');
  const { numInferenceSteps, guidanceScale } = stageOf(config, 'sampler');
  return {
    model: { pipeline: config.model.pipeline },
    prompts: { train, heldOut, choice },
    reward,
    sampler: { numInferenceSteps, guidanceScale },
  };
}

/** Rows of a comparison that differ in what is not the question. A section may name what it asks about in `differIn`. */
function armFaults({ sections }: StudyFile, rows: readonly StudyRow[]): FaultDetail[] {
  const rowNamed = (wanted: string) => rows.find(({ name }) => name === wanted);
  return sections.flatMap(({ rows: names, baseline, differIn }, index) => {
    const base = rowNamed(baseline);
    if (!base) return [];
    return names.flatMap((name, at): FaultDetail[] => {
      const row = rowNamed(name);
      const differences = row ? allDifferences(sharedSettings(base.config), sharedSettings(row.config)) : [];
      return differences
        .filter(({ path }) => !differIn.some((word) => isWithin(path, word)))
        .map(({ path, left, right }) => ({
          kind: 'contradiction',
          path: ['sections', index, 'rows', at],
          thing: `${name} ${path}`,
          expected: `${left} as in its baseline "${baseline}"`,
          got: right,
          nextStep: 'Give both rows the same, or name it in `differIn` where the comparison is about it.',
        }));
    });
  });
}

/** A word of `differIn` that allows no difference: misspelled, or left over. */
function differInFaults({ sections }: StudyFile, rows: readonly StudyRow[]): FaultDetail[] {
  return sections.flatMap(({ rows: names, baseline, differIn }, index) => {
    const base = rows.find(({ name }) => name === baseline);
    const compared = rows.filter(({ name }) => names.includes(name));
    if (!base || compared.length < names.length) return [];
    const paths = compared.flatMap(({ config }) =>
      allDifferences(sharedSettings(base.config), sharedSettings(config)).map(({ path }) => path),
    );
    return [...differIn.entries()]
      .filter(([, word]) => !paths.some((path) => isWithin(path, word)))
      .map(([at, word]) => ({
        kind: 'unknown-word',
        path: ['sections', index, 'differIn', at],
        expected:
          paths.length === 0 ? 'nothing, as the rows share what they should' : `one of ${paths.join(', ')}`,
        got: `"${word}"`,
        nextStep: 'Remove it, or name the setting in which the rows differ.',
      }));
  });
}

const isWithin = (path: string, word: string) => path === word || path.startsWith(`${word}.`);

/** A run that a guard stops never comes to its end, which is what rows are compared at. */
function guardFaults(rows: readonly StudyRow[]): FaultDetail[] {
  return rows.flatMap(({ name, config: { guards } }) => {
    const { own = {}, ...known } = guards;
    return Object.entries({ ...known, ...own })
      .filter(([, { action }]) => action === 'stop')
      .map(([guard]) => ({
        kind: 'contradiction',
        path: ['rows', name],
        thing: `guards.${guard}.action`,
        expected: 'a guard that lets the run come to its end',
        got: 'stop',
        nextStep: 'Set action: warn.',
      }));
  });
}
