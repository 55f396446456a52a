/** @file The page of a comparison: one file that needs nothing else. */

import { allDifferences } from '../config/source/first-difference.js';
import { figuresOf } from '../report/comparison.js';
import { escapeHtml, writeDuration, writeNumber, writeScore } from '../report/figures.js';
import { tunedOf } from '../report/headline.js';
import { REPORT_STYLE } from '../report/report-style.js';
import { type PictureColumn, pictureTable } from '../report/sample-rows.js';
import { overlaidCharts } from './overlaid-charts.js';
import type { ComparedRun } from './read-runs.js';

const STYLE = `${REPORT_STYLE}
.compared { width: 100%; } .compared th, .compared td { padding: 0.45rem 0.8rem 0.45rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--rule); overflow-wrap: anywhere; }
.compared thead th { font-size: 0.95rem; } .compared th[scope=row] { font-weight: 500; }
figure img { display: block; width: 100%; height: auto; margin-top: auto; }
.facts + .facts { margin-top: 0.4rem; } .facts + style + .samples { margin-top: 1.2rem; }
`;

/**
 * Returns the comparison of runs as one HTML file: style, charts and pictures are in it.
 *
 * @param drawn pictures of the same prompts from the same noise, if they were drawn for this; otherwise those that the run
 * directories hold.
 */
export function renderComparison(
  runs: readonly ComparedRun[],
  drawn: readonly PictureColumn[] | null = null,
): string {
  const names = runs.map(({ label }) => label).join(', ');
  const { columns, notes } = drawn ? { columns: drawn, notes: [] } : savedPictures(runs);
  const ofRuns = runs.flatMap(({ label, notes: own }) => own.map((note) => `${label}: ${note}`));
  const parts = [
    `<h1>${runs.length} runs compared</h1>\n<p class="facts">${escapeHtml(names)}</p>\n`,
    ...ofRuns.map(paragraph),
    section('Final figures', finalFigures(runs)),
    section('Curves', charts(runs)),
    section('The same prompts from the same noise', notes.map(paragraph).join('') + picturesOf(columns)),
    section('Configs', differences(runs)),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(names)} – Tributary</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${parts.join('')}<footer>Written by Tributary.</footer>
</main>
</body>
</html>
`;
}

const paragraph = (text: string) => `<p class="facts">${escapeHtml(text)}</p>\n`;

function section(title: string, content: string): string {
  return content === '' ? '' : `<h2>${title}</h2>\n${content}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (row: readonly string[]) =>
    row.map((cell, column) =>
      column === 0 ? `<th scope="row">${escapeHtml(cell)}</th>` : `<td>${escapeHtml(cell)}</td>`,
    );
  const heads = head.map((cell) => `<th scope="col">${escapeHtml(cell)}</th>`);
  const body = rows.map((row) => `<tr>${cells(row).join('')}</tr>`);
  return `<div class="scroll"><table class="compared"><thead><tr><td></td>${heads.join('')}</tr></thead><tbody>${body.join('')}</tbody></table></div>\n`;
}

/** What each run came to: its last policy, or the best one where a guard stopped it, and what that took. */
function finalFigures(runs: readonly ComparedRun[]): string {
  const evaluated = runs.flatMap(({ evaluations }) =>
    evaluations.flatMap(({ train, heldOut }) => [train, heldOut]),
  );
  const measured = figuresOf(evaluated)
    .flatMap(({ name, of, write, change }) =>
      (['train', 'heldOut'] as const).map((list) => [
        `${name}, ${list === 'train' ? 'training' : 'held-out'} prompts`,
        ...runs.map((run) => {
          const [base, tuned] = [run.evaluations.find(({ round }) => round === 0), tunedOf(run)];
          const after = tuned ? of(tuned[list]) : null;
          const before = base ? of(base[list]) : null;
          if (after === null) return '–';
          return before === null || tuned?.round === 0
            ? write(after)
            : `${write(after)} (${change(before, after)})`;
        }),
      ]),
    )
    .filter(([, ...cells]) => cells.some((cell) => cell !== '–'));
  const counted: [name: string, of: (run: ComparedRun) => string][] = [
    ['rounds', ({ rounds }) => writeNumber(rounds.length)],
    ['measured after', (run) => roundsIn(tunedOf(run)?.round)],
    ['pictures scored', ({ rounds }) => writeNumber(rounds.at(-1)?.rewardQueries ?? 0)],
    [
      'optimizer steps',
      ({ rounds }) => writeNumber(rounds.reduce((sum, round) => sum + round.optimizerSteps, 0)),
    ],
    ['time', ({ rounds }) => (rounds.length === 0 ? '–' : writeDuration(rounds.at(-1)?.elapsedSeconds ?? 0))],
    [
      'best policy, held-out reward',
      ({ best }) => (best ? `${writeScore(best.heldOut.rewardMean)} (${roundsIn(best.round)})` : '–'),
    ],
    ['alarms', ({ alarms }) => (alarms.length === 0 ? 'none' : alarms.map(({ guard }) => guard).join(', '))],
  ];
  const rows = [...measured, ...counted.map(([name, of]) => [name, ...runs.map(of)])];
  return table(
    runs.map(({ label }) => label),
    rows,
  );
}

function roundsIn(round: number | undefined): string {
  if (round === undefined) return '–';
  return round === 0 ? 'base model' : `${round} ${round === 1 ? 'round' : 'rounds'}`;
}

function charts(runs: readonly ComparedRun[]): string {
  const drawn = overlaidCharts(runs);
  return drawn === '' ? '' : `<div class="charts">\n${drawn}</div>\n`;
}

/** The last pictures of each run that has any, and those of the base model before them. */
function savedPictures(runs: readonly ComparedRun[]): {
  columns: readonly PictureColumn[];
  notes: readonly string[];
} {
  const withGrids = runs.flatMap((run) => (run.grids ? [{ ...run, grids: run.grids }] : []));
  const missing = runs.filter(({ grids }) => grids === null).map(({ label }) => label);
  const [first] = withGrids;
  if (!first) return { columns: [], notes: [] };
  const seeds = withGrids.map(noiseSeed);
  const notes = [
    ...(missing.length > 0 ? [`No pictures are kept of ${missing.join(', ')}: draw them with --draw.`] : []),
    ...(new Set(seeds).size > 1
      ? [
          `These start from different noise, as evaluation.seed differs (${seeds.join(', ')}): draw them with --draw.`,
        ]
      : []),
  ];
  const columns = [
    { label: `base of ${first.label}`, png: first.grids.before, prompts: first.grids.prompts },
    ...withGrids.map(({ label, grids }) => ({ label, png: grids.after, prompts: grids.prompts })),
  ];
  return { columns, notes };
}

function noiseSeed({ settings }: ComparedRun): string {
  const evaluation = settings && 'evaluation' in settings ? settings.evaluation : null;
  return evaluation && typeof evaluation === 'object' && 'seed' in evaluation
    ? String(evaluation.seed)
    : 'unknown';
}

/** The prompts that all columns have. */
function picturesOf(columns: readonly PictureColumn[]): string {
  const [first, ...others] = columns;
  if (!first) return '';
  const common = first.prompts.filter((prompt) => others.every(({ prompts }) => prompts.includes(prompt)));
  if (common.length === 0) return paragraph('The runs have no prompt in common: draw some with --prompt.');
  return pictureTable([...new Set(common)], columns);
}

/** Every setting that is not the same in all runs whose config can be read. */
function differences(runs: readonly ComparedRun[]): string {
  const readable = runs.flatMap(({ label, settings }) => (settings ? [{ label, settings }] : []));
  const [first, ...others] = readable;
  if (!first || others.length === 0) return '';
  const found = others.map(({ settings }) => allDifferences(first.settings, settings));
  const places = new Map(found.flat().map(({ path, left }) => [path, left]));
  if (places.size === 0) return paragraph('All settings are the same.');
  const rows = [...places].map(([path, left]) => [
    path,
    left,
    ...found.map((one) => one.find((difference) => difference.path === path)?.right ?? left),
  ]);
  return table(
    readable.map(({ label }) => label),
    rows,
  );
}
