/** @file What a study file may say: rows, each a config with its changes, and which rows answer which question. */
import * as z from 'zod';
import { integer, matching, section, text } from '../../../fields.js';
import { CONFIG_VERSION } from '../../config/source/version.js';

const name = matching('a name of letters, digits and hyphens, a letter first', /^[a-zA-Z][a-zA-Z0-9-]*$/);
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
  preset: text('the path of a topology, relative to this file, or a preset of the package'),
  /** Laid over the study's own changes. */
  set: changes,
  title: text('a title'),
  seeds: seeds.optional(),
  /** Replaces that of the study, for a row that should reach as much with less; its title should say so. */
  budget: budget.optional(),
});

const comparison = section({
  title: text('a title'),
  question: text('the question that the comparison answers'),
  rows: rowNames,
  baseline: name,
  /** Settings in which rows may differ from the baseline, because the question is about them: `reward`, `prompts.train`. */
  differIn: z.array(text('a setting such as `reward`'), { error: 'a list of settings' }).default([]),
});

/** Rows whose results are from an earlier program, and what has changed since. */
const outdated = section({ change: text('what has changed since these rows were made'), rows: rowNames });

/** A study file with every field filled in. */
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
  /** Rows in the charts over the whole study. Default: all. */
  charts: rowNames.optional(),
  sections: z.array(comparison, { error: 'a list of comparisons' }).default([]),
  /** A fingerprint identifies a config, not a program, so results of a program that computed differently are named here. */
  outdated: z.array(outdated, { error: 'a list of changes with their rows' }).default([]),
  conclusions: text('the path of a Markdown file, relative to this file').optional(),
});

export type StudyFile = z.output<typeof studySchema>;
export type Comparison = StudyFile['sections'][number];
export type OutdatedRows = StudyFile['outdated'][number];
