import { dirname, join } from 'node:path';
import { lintTopology } from '../../config/lint-topology.js';
import { deriveSizes } from '../../config/resolved/derived-sizes.js';
import { stageOf } from '../../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import { type ConfigSource, readConfigSource } from '../../config/source/config-source.js';
import {
  createFault,
  describeValue,
  type FaultDetail,
  type Path,
  type Place,
} from '../../config/source/fault.js';
import { firstDifference } from '../../config/source/first-difference.js';
import { nearestName } from '../../config/source/nearest-name.js';
import { faultsOfIssue } from '../../config/source/schema-faults.js';
import { versionFault } from '../../config/source/version.js';
import { configFingerprint, type Study, type StudyRow } from './study.js';
import { type StudyFile, studySchema } from './study-schema.js';

export interface StudyLint {
  /** Absent where there is a fault. */
  readonly study?: Study;
  /** All faults in words, in the order of the text. */
  readonly faults: readonly string[];
}

interface Located {
  readonly order: number;
  readonly message: string;
}

/** A backward pass costs about twice its forward pass. */
const FORWARDS_PER_TRAINING_PASS = 3;

/**
 * Checks a study and resolves the config of every row. Beyond its own fields: every row that a comparison names is
 * there, every preset lints with its changes, every row uses exactly its budget of reward queries, and all are evaluated
 * alike, however often, and no guard stops a run.
 *
 * @param path The name of the file: it stands in the faults, and the presets are relative to it.
 * @param readText Reads a preset, and what it extends.
 */
export function lintStudy(text: string, path: string, readText: (path: string) => string): StudyLint {
  const source = readConfigSource(text, path, 0);
  if (source.faults.length > 0) return { faults: source.faults.map(({ message }) => message) };
  const versionOf = versionFault(source);
  if (versionOf) return { faults: [versionOf.message] };
  const parsed = studySchema.safeParse(source.value);
  if (!parsed.success) {
    const details = parsed.error.issues.flatMap((issue) => faultsOfIssue(issue, source.value));
    return { faults: inOrder(details.map((detail) => locate(source, detail))) };
  }
  const file = parsed.data;
  const resolved = Object.entries(file.rows).map(([name, row]) =>
    resolveRow(name, row, file, { source, path, readText }),
  );
  const rows = resolved.flatMap(({ row }) => (row ? [row] : []));
  const faults = [
    ...resolved.flatMap((one) => one.faults),
    ...[
      ...seedFaults(file),
      ...nameFaults(file),
      ...budgetFaults(file, rows),
      ...evaluationFaults(rows),
      ...guardFaults(rows),
      ...conclusionsFaults(file, path, readText),
    ].map((detail) => locate(source, detail)),
  ];
  if (faults.length > 0) return { faults: inOrder(faults) };
  const { name, seeds, charts, sections, outdated, budget, conclusions } = file;
  const conclusionsPath = conclusions === undefined ? null : join(dirname(path), conclusions);
  return {
    study: {
      name,
      path,
      seeds,
      rewardQueries: budget.rewardQueries,
      rows,
      chartRows: charts ?? rows.map((row) => row.name),
      sections,
      outdated,
      conclusionsPath,
    },
    faults: [],
  };
}

interface Sources {
  readonly source: ConfigSource;
  readonly path: string;
  readonly readText: (path: string) => string;
}

function resolveRow(
  name: string,
  { preset, set, title, seeds, budget }: StudyFile['rows'][string],
  file: StudyFile,
  { source, path, readText }: Sources,
): { row?: StudyRow; faults: Located[] } {
  const place = ['rows', name, 'preset'];
  const presetPath = join(dirname(path), preset);
  const text = tryRead(presetPath, readText);
  if (typeof text !== 'string') return { faults: [locate(source, { path: place, ...text })] };
  // JSON is YAML, so that text stays text.
  const overrides = Object.entries({ ...file.set, ...set }).map(
    ([key, value]) => `${key}=${JSON.stringify(value)}`,
  );
  const { config, stated, faults } = lintTopology(text, presetPath, { overrides, readText });
  if (!config) {
    const { label, order } = placeOf(source, place);
    return {
      faults: faults.map(({ message }) => ({ order, message: `${label} rows.${name}: ${message}` })),
    };
  }
  const { samplingEvaluations, trainingEvaluations } = deriveSizes(config);
  return {
    row: {
      name,
      title,
      presetPath,
      overrides,
      seeds: seeds ?? file.seeds,
      rewardQueries: (budget ?? file.budget).rewardQueries,
      config,
      numRounds: stageOf(config, 'prompts').numRounds,
      cost: samplingEvaluations + FORWARDS_PER_TRAINING_PASS * trainingEvaluations,
      fingerprint: configFingerprint(stated),
    },
    faults: [],
  };
}

/** The text of a file, or what is wrong with its name. */
function tryRead(path: string, readText: (path: string) => string): string | Omit<FaultDetail, 'path'> {
  try {
    return readText(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'an error';
    return {
      kind: 'bad-value',
      expected: 'a file that can be read',
      got: `${code} at ${path}`,
      nextStep: 'Write its path relative to this file.',
    };
  }
}

/** Better known now than after hours of training. */
function conclusionsFaults(
  { conclusions }: StudyFile,
  path: string,
  readText: (path: string) => string,
): FaultDetail[] {
  if (conclusions === undefined) return [];
  const text = tryRead(join(dirname(path), conclusions), readText);
  return typeof text === 'string' ? [] : [{ path: ['conclusions'], ...text }];
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
      const nearest = nearestName(name, known);
      const nextStep = nearest === undefined ? 'Add it to `rows`.' : `Did you mean "${nearest}"?`;
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
    const stages = budget.rewardQueries / imagesPerRound;
    return [
      {
        kind: 'contradiction',
        path: ['rows', name],
        thing: 'reward queries',
        expected: `the ${own ? "row's" : "study's"} budget of ${budget.rewardQueries}`,
        got: `${rewardQueries}, ${imagesPerRound} a round`,
        nextStep: Number.isInteger(stages)
          ? `Set numRounds of its prompts to ${stages}.`
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

/** A run that a guard stops never comes to its end, which is what rows are compared at. */
function guardFaults(rows: readonly StudyRow[]): FaultDetail[] {
  return rows.flatMap(({ name, config }) =>
    Object.entries(config.guards)
      .filter(([, { action }]) => action === 'stop')
      .map(([guard]) => ({
        kind: 'contradiction',
        path: ['rows', name],
        thing: `guards.${guard}.action`,
        expected: 'a guard that lets the run come to its end',
        got: 'stop',
        nextStep: 'Set action: warn.',
      })),
  );
}

/** Where a fault is, or the innermost mapping around it. */
function placeOf(source: ConfigSource, path: Path, part: 'key' | 'value' = 'value'): Place {
  for (let depth = path.length; depth > 0; depth--) {
    const place = source.placeOf(path.slice(0, depth), depth < path.length ? 'key' : part);
    if (place) return place;
  }
  return source.placeOf([], 'value') ?? { label: 'study', order: 0 };
}

function locate(source: ConfigSource, detail: FaultDetail): Located {
  const place = placeOf(source, detail.path, detail.thing === undefined ? 'value' : 'key');
  return { order: place.order, message: createFault(place, detail).message };
}

function inOrder(faults: readonly Located[]): string[] {
  return [...faults].sort((a, b) => a.order - b.order).map(({ message }) => message);
}
