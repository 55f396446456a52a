/** @file A study as it is run: every row with its resolved config, and the grid of rows and seeds. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import type { Comparison, OutdatedRows } from './study-schema.js';

export interface StudyRow {
  readonly name: string;
  readonly title: string;
  readonly presetPath: string;
  /** As `--set` takes them; the seed is not among them. */
  readonly overrides: readonly string[];
  readonly seeds: readonly number[];
  /** Of one run. */
  readonly rewardQueries: number;
  /** With the seed of the preset. */
  readonly config: ResolvedConfig;
  readonly numRounds: number;
  /** Cost of a run in forward passes of one row through the network, at most. */
  readonly cost: number;
  readonly fingerprint: string;
}

export interface Study {
  readonly name: string;
  readonly path: string;
  readonly seeds: readonly number[];
  readonly rewardQueries: number;
  readonly rows: readonly StudyRow[];
  /** Names of the rows that the charts over all show. */
  readonly chartRows: readonly string[];
  readonly sections: readonly Comparison[];
  /** Rows whose results were made before a change of what they compute. */
  readonly outdated: readonly OutdatedRows[];
  /** Path of the Markdown file; null where nobody has drawn conclusions. */
  readonly conclusionsPath: string | null;
}

/** One cell of the grid. */
export interface PlannedRun {
  readonly row: StudyRow;
  readonly seed: number;
  readonly runPath: string;
}

export interface Choice {
  /** Names of rows; all where there are none. */
  readonly rows?: readonly string[];
  readonly seeds?: readonly number[];
}

/** Returns the grid of a study, seeds outermost: every row has had one seed before any has its second. */
export function planRuns(study: Study, { rows = [], seeds = [] }: Choice = {}): PlannedRun[] {
  return study.seeds
    .filter((seed) => seeds.length === 0 || seeds.includes(seed))
    .flatMap((seed) =>
      study.rows
        .filter((row) => row.seeds.includes(seed) && (rows.length === 0 || rows.includes(row.name)))
        .map((row) => ({ row, seed, runPath: join('runs', study.name, row.name, `seed-${seed}`) })),
    );
}

/**
 * What of a config decides what a run computes, its seed apart. A run may be saved more or less often, its messages
 * carried in another way, and its graphs run by another engine: that changes last bits, and how long it takes.
 */
export function comparableConfig(config: object): object {
  const apart = {
    seed: undefined,
    checkpoints: undefined,
    engine: undefined,
    transport: undefined,
    topics: undefined,
  };
  return { ...config, ...apart };
}

/**
 * Names what the runs of a row compute: SHA-256 of the config without its seed, whatever the order of its keys.
 *
 * @param stated The config without defaults, so that results outlive a new setting, whose default changes nothing.
 */
export function configFingerprint(stated: object = {}): string {
  return createHash('sha256')
    .update(JSON.stringify(comparableConfig(stated), sortedKeys))
    .digest('hex');
}

function sortedKeys(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
