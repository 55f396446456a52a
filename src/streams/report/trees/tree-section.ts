/** @file Trees of a few rounds, from the first to the last: what branches are, in pictures. */

import type { PicturedTrees } from '../../directory/tree-files.js';
import type { RoundMetrics } from '../../messages/run-events.js';
import { escapeHtml, writeScore, writeSteps } from '../figures.js';
import { dataUri, pngSize } from '../png-uri.js';
import { drawTree } from './draw-tree.js';

interface TreeSectionContent {
  /** In order. */
  readonly trees: readonly PicturedTrees[];
  readonly rounds: readonly RoundMetrics[];
  readonly numRounds: number;
}

/** Draws the trees, round after round; nothing where there are none. */
export function treeSection({ trees, rounds, numRounds }: TreeSectionContent): string {
  if (trees.length === 0) return '';
  const metricsOf = (round: number) => rounds.find((candidate) => candidate.round === round);
  const drawn = trees.map((one) => drawRound(one, metricsOf(one.round), numRounds));
  return `<h2>Same beginning, different endings</h2>
<p class="lead">The branches of a prompt share their first steps. The picture at the fork is what the network expected to draw at that point; from there each branch draws noise of its own. Where their rewards differ, the steps after the fork are the reason, and those are trained.</p>
<p class="legend"><span class="up">made more likely</span> <span class="down">made less likely</span> <span class="out">left out</span></p>
${drawn.join('')}`;
}

function drawRound(one: PicturedTrees, metrics: RoundMetrics | undefined, numRounds: number): string {
  const { png, sheet, timesteps, trainedSteps, trees, round } = one;
  const sheetId = `trees-${round}`;
  const { width, height } = pngSize(png);
  const crisp = sheet.scale > 1 ? ' class="crisp"' : '';
  const image = `<svg class="sheet" width="0" height="0" aria-hidden="true"><defs><image id="${sheetId}"${crisp} width="${width}" height="${height}" href="${dataUri(png)}"/></defs></svg>`;
  const cards = trees.map(
    (tree) =>
      `<figure class="tree"><figcaption>${escapeHtml(tree.prompt)}</figcaption>${drawTree(tree, { sheetId, sheet, timesteps, trainedSteps })}</figure>`,
  );
  return `<h3 class="round">Round ${round + 1} of ${numRounds} <small>${escapeHtml(facts(one, metrics))}</small></h3>
<div class="trees">${image}${cards.join('')}</div>
`;
}

function facts({ timesteps, trainedSteps, trees }: PicturedTrees, metrics: RoundMetrics | undefined): string {
  const steps = [...new Set(trees.flatMap(({ forks }) => forks.map(({ step }) => step)))];
  const times = steps.map((step) => Math.round(timesteps[step] ?? 0));
  const correlation = metrics?.intraGroupCorrelation ?? null;
  return [
    `forks before ${steps.length === 1 ? 'step' : 'steps'} ${writeSteps(steps)} of ${timesteps.length}, at t = ${times.join(', ')}`,
    `trains steps ${writeSteps(trainedSteps)}`,
    ...(correlation === null ? [] : [`correlation of the rewards in a group ${writeScore(correlation)}`]),
  ].join(' · ');
}
