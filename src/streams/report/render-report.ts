import { stringify } from 'yaml';
import { writtenPath } from '../../own-package.js';
import { stageOf } from '../config/resolved/stage-of.js';
import type { ResolvedConfig } from '../config/schema/topology-schema.js';
import type { PicturedTrees } from '../directory/tree-files.js';
import type { Alarm, Evaluation, PromptSetEvaluation, RoundMetrics } from '../messages/run-events.js';
import { escapeHtml, writeDuration, writeNumber } from './figures.js';
import { bestPolicy, headlineTable, stopOf, templateTable, tunedOf, verdict } from './headline.js';
import { type LineChart, lineChart, type Series } from './line-chart.js';
import { REPORT_STYLE } from './report-style.js';
import { type GridPair, sampleRows } from './sample-rows.js';
import { clipHeatMap, intervalChart } from './step-charts.js';
import { correlationChart, roundLine, trainingCharts } from './training-charts.js';
import { treeSection } from './trees/tree-section.js';

export interface ReportContent {
  readonly config: ResolvedConfig;
  /** In order. */
  readonly rounds: readonly RoundMetrics[];
  /** In order, the base model first; the last one counts as tuned, unless a guard stopped the run. */
  readonly evaluations: readonly Evaluation[];
  /** The best one, whose adapter is kept: what counts as tuned where a guard stopped the run. Null where none is kept. */
  readonly best: Evaluation | null;
  /** In order. */
  readonly alarms: readonly Alarm[];
  /** What of the run could not be read, in sentences. */
  readonly notes: readonly string[];
  /** Pictures from the same noise before and after; null where there are none yet. */
  readonly grids: GridPair | null;
  /** Trees of a few rounds, in order; none where branches share nothing, or none are there yet. */
  readonly trees: readonly PicturedTrees[];
}

/** More points than pixels would only make the file large. */
const MAX_COLUMNS = 240;

/** Returns the report of a run as one HTML file that needs nothing else: style, charts and pictures are in it. */
export function renderReport(content: ReportContent): string {
  const { config, rounds, evaluations, alarms, notes, grids, trees } = content;
  const shown = thinned(rounds);
  const { numRounds } = stageOf(config, 'prompts');
  const intervals = [intervalChart(shown, trees[0]?.timesteps), correlationChart(shown)];
  const parts = [
    `<h1>${escapeHtml(config.name)}</h1>\n<p class="facts">${facts(config, rounds)}</p>\n`,
    headline(content),
    ...notes.map((note) => `<p class="facts">${escapeHtml(note)}</p>\n`),
    alarmList(alarms),
    grids === null ? '' : `<h2>Before and after, from the same noise</h2>\n${sampleRows(grids)}`,
    treeSection({ trees, rounds, numRounds }),
    trees.length === 0 ? '' : chartGrid(intervals),
    section('What it learned', learningCharts(shown, evaluations)),
    section('How it learned', [
      ...(trees.length === 0 ? intervals : []),
      clipHeatMap(shown),
      ...trainingCharts(shown),
    ]),
    rounds.length === 0 ? '' : `<h2>Health</h2>\n${health(rounds)}`,
    `<h2>Config</h2>\n<details><summary>as resolved, every default filled in</summary><pre>${escapeHtml(stringify(config))}</pre></details>\n`,
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(config.name)} – Tributary</title>
<style>${REPORT_STYLE}</style>
</head>
<body>
<main>
${parts.join('')}<footer>Written by Tributary. Verified alignment is read from the pictures by an exact verifier that never takes part in training.</footer>
</main>
</body>
</html>
`;
}

/** What came of the run, and which of its policies was the best. */
function headline({ rounds, evaluations, best, alarms }: ReportContent): string {
  const stop = stopOf(alarms);
  const base = evaluations.find(({ round }) => round === 0);
  const tuned = tunedOf({ alarms, best, evaluations });
  if (base === undefined || tuned === undefined || (tuned.round === base.round && !stop))
    return '<p class="verdict">No tuned policy has been evaluated yet.</p>\n';
  return (
    verdict(
      base,
      tuned,
      rounds.some(({ outsideRewards }) => outsideRewards),
    ) +
    (best ? bestPolicy(base, best, stop) : '') +
    headlineTable(base, tuned) +
    templateTable(base, tuned)
  );
}

function facts(config: ResolvedConfig, rounds: readonly RoundMetrics[]): string {
  const { elapsedSeconds: seconds } = rounds.at(-1) ?? {};
  return [
    writtenPath(config.model.pipeline),
    `seed ${config.seed}`,
    `${rewardCounts(rounds)
      .map(([name, value]) => `${value} ${name}`)
      .join(' and ')} in ${rounds.length} rounds`,
    ...(seconds === undefined ? [] : [writeDuration(seconds)]),
  ]
    .map(escapeHtml)
    .join(' · ');
}

/** How many images were rewarded, and by whom; nobody asks a reward model where people give all rewards. */
function rewardCounts(rounds: readonly RoundMetrics[]): (readonly [name: string, value: string])[] {
  const queries = Math.max(0, ...rounds.map(({ rewardQueries }) => rewardQueries));
  const outside = rounds.reduce((sum, { outsideRewards = 0 }) => sum + outsideRewards, 0);
  return [
    ...(queries > 0 || outside === 0 ? [['reward queries', writeNumber(queries)] as const] : []),
    ...(outside > 0 ? [['external rewards', writeNumber(outside)] as const] : []),
  ];
}

function section(title: string, charts: readonly string[]): string {
  const content = chartGrid(charts);
  return content === '' ? '' : `<h2>${title}</h2>\n${content}`;
}

function chartGrid(charts: readonly string[]): string {
  const content = charts.join('');
  return content === '' ? '' : `<div class="charts">\n${content}</div>\n`;
}

/** Train and held-out lists of the evaluations, and where it can be told, what training itself saw. */
function learningCharts(rounds: readonly RoundMetrics[], evaluations: readonly Evaluation[]): string[] {
  const measured = (
    of: (evaluated: PromptSetEvaluation) => number | null,
    during?: (round: RoundMetrics) => number | null,
  ): Series[] => [
    ...(during ? [roundLine('in training', 'during', rounds, during)] : []),
    {
      label: 'train',
      tone: 'train',
      markers: true,
      points: evaluations.map(({ round, train }) => [round, of(train)]),
    },
    {
      label: 'held-out',
      tone: 'held-out',
      markers: true,
      points: evaluations.map(({ round, heldOut }) => [round, of(heldOut)]),
    },
  ];
  const isOutside = rounds.some(({ outsideRewards }) => outsideRewards);
  const charts: Omit<LineChart, 'xLabel'>[] = [
    {
      title: 'Verified alignment',
      note: 'Share of images that show exactly what the prompt asks for. Never trained on.',
      unit: 'share',
      series: measured(
        (of) => of.verifiedAlignment,
        (round) => round.verifiedAlignment,
      ),
    },
    {
      title: 'Reward',
      note: isOutside
        ? 'Mean of the reward model’s score on evaluation pictures.'
        : 'Mean of the reward model’s score, which training maximizes.',
      unit: 'number',
      series: measured(
        (of) => of.rewardMean,
        (round) => (round.outsideRewards ? null : round.rewardMean),
      ),
    },
    // On an axis of its own: people count in stars, and a model in cosines.
    {
      title: 'External rewards',
      note: 'Mean of the rewards given by people or other programs, which training maximizes.',
      unit: 'number',
      series: [
        roundLine('in training', 'during', rounds, (round) =>
          round.outsideRewards ? round.rewardMean : null,
        ),
      ],
    },
    ...partCharts(rounds, measured),
    ...goldCharts(evaluations, measured),
    ...pictureCharts(measured),
    {
      title: 'Verifier score',
      note: 'Mean share of the prompt’s constraints that are met. Never trained on.',
      unit: 'number',
      series: measured(
        (of) => of.verifierScore,
        (round) => round.verifierScore,
      ),
    },
    {
      title: 'Diversity',
      note: 'Mean distance of image features within a prompt. A collapse would show here.',
      unit: 'number',
      fromZero: true,
      series: measured((of) => of.diversity),
    },
  ];
  return charts.map((chart) => lineChart({ ...chart, xLabel: 'training rounds done' }));
}

/** One chart for each part that rewards are combined from. */
function partCharts(
  rounds: readonly RoundMetrics[],
  measured: (
    of: (evaluated: PromptSetEvaluation) => number | null,
    during: (round: RoundMetrics) => number | null,
  ) => Series[],
): Omit<LineChart, 'xLabel'>[] {
  const names = new Set(rounds.flatMap(({ rewardParts = {} }) => Object.keys(rewardParts)));
  return Array.from(names, (name) => ({
    title: `Reward: ${name}`,
    note: 'Mean of this part of the reward, before it is combined with the others.',
    unit: 'number',
    series: measured(
      ({ rewardParts }) => rewardParts?.[name] ?? null,
      ({ rewardParts }) => rewardParts?.[name]?.mean ?? null,
    ),
  }));
}

/** One chart for each reward that is measured and never trained on. */
function goldCharts(
  evaluations: readonly Evaluation[],
  measured: (of: (evaluated: PromptSetEvaluation) => number | null) => Series[],
): Omit<LineChart, 'xLabel'>[] {
  const names = new Set(evaluations.flatMap(({ heldOut: { gold = {} } }) => Object.keys(gold)));
  return Array.from(names, (name) => ({
    title: `Gold: ${name}`,
    note: 'Mean of this reward on evaluation pictures. Never trained on: if it falls while the reward rises, the reward is exploited.',
    unit: 'number',
    series: measured(({ gold }) => gold?.[name]?.mean ?? null),
  }));
}

const PICTURE_CHARTS = [
  ['edgeDensity', 'Edges', 'Share of the pixels that lie on an edge.'],
  ['colorEntropy', 'Colors', 'Entropy of the colors of a picture, in bits.'],
  ['brightness', 'Brightness', 'Mean luma, from 0 for black to 1 for white.'],
  ['jpegKilobytes', 'Size as JPEG', 'Kilobytes of a picture as JPEG of quality 95.'],
] as const;

/** What the guard `pictureDrift` looks at; without it nothing is measured, and a chart without points is none. */
function pictureCharts(
  measured: (of: (evaluated: PromptSetEvaluation) => number | null) => Series[],
): Omit<LineChart, 'xLabel'>[] {
  return PICTURE_CHARTS.map(([statistic, title, note]) => ({
    title,
    note: `${note} Mean over the pictures.`,
    unit: 'number',
    series: measured(({ pictures }) => pictures?.[statistic].mean ?? null),
  }));
}

function health(rounds: readonly RoundMetrics[]): string {
  const most = (of: (round: RoundMetrics) => number) => Math.max(...rounds.map(of));
  const sum = (of: (round: RoundMetrics) => number) => rounds.reduce((total, round) => total + of(round), 0);
  const late = sum(({ lateGroups }) => lateGroups);
  const dropped = sum(({ droppedGroups = 0 }) => droppedGroups);
  const entries: [string, string][] = [
    ['largest |ratio − 1| before an update', writeNumber(most(({ maxRatioDeviation }) => maxRatioDeviation))],
    ['optimizer steps', writeNumber(sum(({ optimizerSteps }) => optimizerSteps))],
    ...rewardCounts(rounds).map(([name, value]): [string, string] => [name, value]),
    ['lost groups', writeNumber(sum(({ lostGroups }) => lostGroups))],
    ...(dropped > 0 ? [['dropped by operators', writeNumber(dropped)] satisfies [string, string]] : []),
    // Only where rounds close by time is any late.
    ...(late > 0 ? [['late groups', writeNumber(late)] satisfies [string, string]] : []),
    ['dead letters', writeNumber(sum(({ deadLetters }) => deadLetters))],
    ['event-loop delay, p99', `${writeNumber(most(({ eventLoopDelayP99Ms }) => eventLoopDelayP99Ms))} ms`],
    ['peak memory', `${writeNumber(most(({ peakRssBytes }) => peakRssBytes) / 1e6)} MB`],
  ];
  const list = entries.map(
    ([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`,
  );
  return `<dl class="health">${list.join('')}</dl>\n`;
}

/** At most MAX_COLUMNS rounds, evenly chosen, the last one among them. */
export function thinned(rounds: readonly RoundMetrics[]): readonly RoundMetrics[] {
  const every = Math.ceil(rounds.length / MAX_COLUMNS);
  return rounds.filter((_, index) => (rounds.length - 1 - index) % every === 0);
}

/** What the guards said, in order; nothing where they were silent. */
function alarmList(alarms: readonly Alarm[]): string {
  if (alarms.length === 0) return '';
  const items = alarms.map(({ message }) => `<li>${escapeHtml(message)}</li>`);
  return `<h2>Alarms</h2>\n<ul class="alarms">${items.join('')}</ul>\n`;
}
