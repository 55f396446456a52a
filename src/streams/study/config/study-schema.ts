/** @file What a study file may say: rows, each a config with its changes, and which rows answer which question. */
import { z } from 'zod';
import { integer, section, text } from '../../../fields.js';
import { CONFIG_VERSION } from '../../config/source/version.js';

const NAME = 'a name of letters, digits and hyphens, a letter first';
const name = z.string({ error: NAME }).regex(/^[a-zA-Z][a-zA-Z0-9-]*$/, { error: NAME });
const SEEDS = 'a list of different seeds';
const seeds = z
  .array(integer(0, 0xffffffff), { error: SEEDS })
  .min(1, { error: SEEDS })
  .refine((list) => new Set(list).size === list.length, { error: SEEDS });
const SCALAR = 'text, a number, true, false or a list of them';
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()], { error: SCALAR });

const changes = z
  .record(z.string(), z.union([scalar, z.array(scalar)], { error: SCALAR }), {
    error: 'a mapping from paths of the topology to values',
  })
  .default({});
const rowNames = z
  .array(name, { error: 'a list of row names' })
  .min(1, { error: 'a list of at least one row name' })
  .refine((rows) => new Set(rows).size === rows.length, { error: 'a list of different row names' });

const budget = section({ rewardQueries: integer(1) });

const row = section({
  preset: text('the path of a topology, relative to this file'),
  /** Laid over the study's own changes. */
  set: changes,
  title: text('a title'),
  seeds: seeds.optional(),
  /** In place of the study's, for a row that shall reach as much with less; its title should say so. */
  budget: budget.optional(),
});

const comparison = section({
  title: text('a title'),
  question: text('the question that the comparison answers'),
  rows: rowNames,
  baseline: name,
});

/** Rows whose results are of an earlier program, and what makes them so. */
const outdated = section({ change: text('what has changed since these rows were made'), rows: rowNames });

/** A study as it stands in a file, every field filled in. */
export const studySchema = section({
  version: z.literal(CONFIG_VERSION, { error: String(CONFIG_VERSION) }),
  name,
  seeds,
  budget,
  /** Changes to the presets of all rows. */
  set: changes,
  rows: z
    .record(name, row, { error: 'a mapping from row names to rows' })
    .refine((rows) => Object.keys(rows).length > 0, { error: 'a mapping with at least one row' }),
  /** Rows that the charts over all show, for a study with many; all where it is left out. */
  charts: rowNames.optional(),
  sections: z.array(comparison, { error: 'a list of comparisons' }).default([]),
  /** A fingerprint names a config, not the program: results of a program that computed otherwise are said here. */
  outdated: z.array(outdated, { error: 'a list of changes with their rows' }).default([]),
  conclusions: text('the path of a Markdown file, relative to this file').optional(),
});

export type StudyFile = z.output<typeof studySchema>;
export type Comparison = StudyFile['sections'][number];
export type OutdatedRows = StudyFile['outdated'][number];
