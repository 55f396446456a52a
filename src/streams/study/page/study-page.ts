import { basename } from 'node:path';
import { escapeHtml, writeNumber, writeShare } from '../../report/figures.js';
import type { Study } from '../config/study.js';
import type { Comparison } from '../config/study-schema.js';
import { compareRows } from '../results/compare-rows.js';
import { estimate } from '../results/estimate.js';
import {
  BASE_HELD_OUT,
  BASE_TRAIN,
  FINAL_DIVERSITY_KEPT,
  FINAL_HELD_OUT,
  FINAL_REWARD,
  FINAL_TRAIN,
  PASSES,
  type RunFigure,
  SAMPLES,
  SECONDS,
} from '../results/figures-of-run.js';
import { rowHealth } from '../results/row-health.js';
import type { RowRuns } from '../results/study-results.js';
import { cellText, paragraph, table, writeDifference, writeEstimate, writeWhole } from './markdown.js';
import { type ChartFile, evaluationSize } from './study-charts.js';

interface StudyPage {
  readonly study: Study;
  readonly rows: readonly RowRuns[];
  /** Those over the chosen rows. */
  readonly charts: readonly ChartFile[];
  /** One for each comparison of the study; null where there is nothing to draw. */
  readonly comparisonCharts: readonly (ChartFile | null)[];
  /** Folder of the charts, as the page links to it. */
  readonly chartFolder: string;
  /** What people concluded, in Markdown, included verbatim. The program itself concludes nothing. */
  readonly conclusions: string | null;
}

/** Returns the page of a study: what was measured, and how, in tables and charts. */
export function studyPage(page: StudyPage): string {
  const { study, rows, charts, comparisonCharts, chartFolder, conclusions } = page;
  const named = (name: string) => rows.find((row) => row.name === name);
  const image = ({ name, title }: ChartFile) => `![${title}](${chartFolder}/${name})\n`;
  return [
    `# Results of the study ${study.name}\n`,
    paragraph(`Written by \`tributary study\` from \`${study.path}\`. ${measured(study, rows)}`),
    ...outdatedRows(study),
    ...(conclusions === null ? [] : [`${conclusions.trim()}\n`]),
    '## All rows\n',
    mainTable(rows),
    paragraph(
      `A cell is the mean over the seeds with its 95 % interval by Student's t; one seed has no interval. Verified alignment
      is the share of pictures that an exact verifier finds to show what was asked for; it is never trained on. The
      reward is the mean on training prompts. Diversity kept is that of held-out prompts, as a share of the base
      model's. Samples are pictures that were trained on. Passes are rows through the network, a gradient step counted as
      three. Seconds are those of training, evaluations between the base model's and the last one included.
      Differences of many rows are not corrected for their number.`,
    ),
    ...(charts.length === 0 ? [] : ['## Charts\n']),
    ...charts.map((chart) => `### ${chart.title}\n\n${image(chart)}\n${paragraph(chart.note)}`),
    ...study.sections.flatMap((section, index) => {
      const chart = comparisonCharts[index];
      return [comparison(section, named), ...(chart ? [image(chart)] : [])];
    }),
    '## Health\n',
    healthTable(rows),
    paragraph(
      `Means over all rounds of all seeds; the KL divergence to the pretrained model is that after the last round,
      where the objective measures it, over the steps that weigh anything in its loss. The squared gradient norm by step
      says which sampler steps, the noisiest first, the gradient comes from; it is known where runs of the training graph
      hold rows of one step each.`,
    ),
    '## Every run\n',
    runTable(rows),
    ...missing(rows),
  ].join('\n');
}

function measured({ rewardQueries, seeds, rows: planned }: Study, rows: readonly RowRuns[]): string {
  const size = evaluationSize(rows);
  const list = (prompts: number, images: number) => `${count(images)} pictures of ${count(prompts)}`;
  const pictures =
    size === null
      ? ''
      : ` Every policy is measured on ${list(size.train.prompts, size.train.images)} training prompts and
    ${list(size.heldOut.prompts, size.heldOut.images)} held-out prompts, from noise that training never sees and that is
    the same for all: intervals cover the seeds of training, not the draw of these pictures.`;
  const machines = [...new Set(rows.flatMap(({ runs }) => runs.map(({ machine }) => machine ?? 'unknown')))];
  const where = machines.length === 0 ? '' : ` Ran on: ${machines.map(escapeHtml).join('; ')}.`;
  const others = [...new Set(planned.map((row) => row.rewardQueries))]
    .filter((queries) => queries !== rewardQueries)
    .map((queries) => {
      const titles = planned.filter((row) => row.rewardQueries === queries).map(({ title }) => `"${title}"`);
      return `, ${count(queries)} for ${titles.join(', ')}`;
    });
  return `Seeds ${seeds.join(', ')}; ${count(rewardQueries)} reward queries a run${others.join('')}.${pictures}${where}`;
}

/** Names the rows that were made before a change, whose figures are not today's. */
function outdatedRows({ outdated, rows }: Study): string[] {
  if (outdated.length === 0) return [];
  const written = (named: readonly string[]) =>
    rows
      .filter(({ name }) => named.includes(name))
      .map(({ title, presetPath }) => `"${title}" (${basename(presetPath, '.yaml')})`)
      .join(', ');
  return [
    paragraph("**Made before a change.** Today's program does not give the figures of these rows again:"),
    ...outdated.map(({ change, rows: named }) => paragraph(`- ${written(named)}: ${change}`)),
  ];
}

const count = (value: number) => value.toLocaleString('en-US');
const over = ({ runs }: RowRuns, figure: RunFigure) => writeEstimate(estimate(runs.map(figure.of)), figure);
const numSeeds = ({ runs, numSeeds: wanted }: RowRuns) =>
  runs.length === wanted ? String(wanted) : `${runs.length} of ${wanted}`;

function mainTable(rows: readonly RowRuns[]): string {
  const columns: [string, RunFigure][] = [
    ['held-out, base, %', BASE_HELD_OUT],
    ['held-out, %', FINAL_HELD_OUT],
    ['training, base, %', BASE_TRAIN],
    ['training, %', FINAL_TRAIN],
    ['reward', FINAL_REWARD],
    ['diversity kept, %', FINAL_DIVERSITY_KEPT],
    ['samples', SAMPLES],
    ['passes, thousands', PASSES],
    ['seconds', SECONDS],
  ];
  return table([
    ['row', 'seeds', ...columns.map(([name]) => name)],
    ...rows.map((row) => [
      cellText(row.title),
      numSeeds(row),
      ...columns.map(([, figure]) => over(row, figure)),
    ]),
  ]);
}

function comparison(section: Comparison, named: (name: string) => RowRuns | undefined): string {
  const baseline = named(section.baseline);
  const rows = section.rows.flatMap((name) => named(name) ?? []).filter((row) => row !== baseline);
  if (!baseline) return '';
  const columns = [FINAL_HELD_OUT, FINAL_TRAIN, FINAL_DIVERSITY_KEPT, FINAL_REWARD];
  const own = compareRows(baseline.runs, baseline.runs);
  const isCounted = own.passesToReach !== null;
  const lines = rows.map((row) => {
    const compared = compareRows(row.runs, baseline.runs);
    return [
      cellText(row.title),
      String(compared.seeds.length),
      over(row, FINAL_HELD_OUT),
      ...columns.map((figure) => writeDifference(compared.difference(figure), figure)),
      writeWhole(compared.queriesToReach),
      writeWhole(compared.samplesToReach),
      ...(isCounted ? [writeWhole(compared.passesToReach)] : []),
    ];
  });
  return [
    `## ${section.title}\n`,
    paragraph(section.question),
    table([
      [
        'row',
        'pairs',
        'held-out, %',
        'Δ held-out',
        'Δ training',
        'Δ diversity kept',
        'Δ reward',
        'queries',
        'samples',
        ...(isCounted ? ['passes'] : []),
      ],
      [
        `${cellText(baseline.title)} (baseline)`,
        '',
        over(baseline, FINAL_HELD_OUT),
        ...columns.map(() => ''),
        writeWhole(own.queriesToReach),
        writeWhole(own.samplesToReach),
        ...(isCounted ? [writeWhole(own.passesToReach)] : []),
      ],
      ...lines,
    ]),
    paragraph(
      `Δ: the row less the baseline, paired by seed, with 95 % interval; percentages in points. Queries: reward queries after
      which the mean held-out curve of the paired seeds, read between its evaluations by straight lines, first reaches
      what the baseline ends with; a dash where it does not. Samples${isCounted ? ' and passes' : ''}: the same in their count.`,
    ),
  ].join('\n');
}

function healthTable(rows: readonly RowRuns[]): string {
  const head = [
    'row',
    'intra-group correlation',
    'selected samples a round',
    'groups without spread',
    'gradient norm',
    'squared, by step, %',
    'clipped ratios',
    'KL to pretrained',
  ];
  return table([
    head,
    ...rows.map(({ title, runs }) => {
      const health = rowHealth(runs);
      return [
        cellText(title),
        writeNumber(health.intraGroupCorrelation),
        writeNumber(health.selectedSamples),
        writeShare(health.zeroSpreadShare),
        writeNumber(health.gradNorm),
        health.gradientShares?.map((share) => (100 * share).toFixed(0)).join(' ') ?? '–',
        writeShare(health.clipFraction),
        writeNumber(health.klToPretrained),
      ];
    }),
  ]);
}

function runTable(rows: readonly RowRuns[]): string {
  const figures = [FINAL_HELD_OUT, FINAL_TRAIN, FINAL_DIVERSITY_KEPT, FINAL_REWARD, SECONDS];
  const cell = (value: number | null, { factor, decimals }: RunFigure) =>
    value === null ? '–' : (value * factor).toFixed(decimals).replace('-', '−');
  return table([
    ['row', 'seed', 'held-out, %', 'training, %', 'diversity kept, %', 'reward', 'seconds', 'machine'],
    ...rows.flatMap(({ title, runs }) =>
      runs.map((run) => [
        cellText(title),
        String(run.seed),
        ...figures.map((figure) => cell(figure.of(run), figure)),
        cellText(run.machine ?? 'unknown'),
      ]),
    ),
  ]);
}

/** What the study asks for and the page lacks. */
function missing(rows: readonly RowRuns[]): string[] {
  const short = rows.filter(({ runs, numSeeds: wanted }) => runs.length < wanted);
  if (short.length === 0) return [];
  const reason = ({ title, failures }: RowRuns) =>
    failures.map(({ seed, failure }) => [cellText(title), String(seed), cellText(failure)]);
  const failed = short.flatMap(reason);
  return [
    '## Missing runs\n',
    paragraph(
      `Runs that have not come to their end: ${short.map((row) => `${row.title} (${row.numSeeds - row.runs.length})`).join(', ')}.`,
    ),
    ...(failed.length === 0 ? [] : [table([['row', 'seed', 'failed with'], ...failed])]),
  ];
}
