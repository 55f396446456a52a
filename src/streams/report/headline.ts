/** @file The answer first: what training changed, in a sentence and a table. */
import type { Alarm, Evaluation, PromptSetEvaluation, TemplateAlignment } from '../messages/run-events.js';
import { compareEvaluations } from './comparison.js';
import { escapeHtml, writePoints, writeScore, writeShare, writeSigned } from './figures.js';

/** The alarm that ended the run; undefined where none did. */
export function stopOf(alarms: readonly Alarm[]): Alarm | undefined {
  return alarms.find(({ action }) => action === 'stop');
}

/** The policy that a run ends with so far: the last one that was measured, or the best where a guard stopped the run. */
export function tunedOf({
  alarms,
  best,
  evaluations,
}: {
  readonly alarms: readonly Alarm[];
  readonly best: Evaluation | null;
  readonly evaluations: readonly Evaluation[];
}): Evaluation | undefined {
  return stopOf(alarms) && best ? best : evaluations.at(-1);
}

/** A smaller change of a share is within the noise of an evaluation. */
const NOTABLE = 0.02;

/**
 * One sentence on what came of the run, and one of warning where the reward rose and the verified alignment fell.
 * @param isOutside Whether the rewards of training came from outside: evaluations have the reward model's, which nobody trained on.
 */
export function verdict(base: Evaluation, tuned: Evaluation, isOutside: boolean): string {
  const rise = difference(base.train.verifiedAlignment, tuned.train.verifiedAlignment);
  const isExploited =
    !isOutside && tuned.train.rewardMean > base.train.rewardMean && rise !== null && rise < -NOTABLE;
  const warning = isExploited
    ? ' <b>The reward rose and the verified alignment fell: the policy exploits the reward model.</b>'
    : '';
  const gains =
    rise === null
      ? `the ${isOutside ? 'reward model’s score' : 'reward'} is ${outcome(base, tuned, { of: (list) => list.rewardMean, write: writeScore, predicate: '' })}`
      : outcome(base, tuned, {
          of: (list) => list.verifiedAlignment,
          write: writeShare,
          predicate: ' show exactly what was asked for',
        });
  return `<p class="verdict">After ${roundsOf(tuned)}, ${gains}.${warning}</p>\n`;
}

/** One sentence on the best policy by held-out reward, and one where a guard stopped the run with it. */
export function bestPolicy(base: Evaluation, best: Evaluation, stop: Alarm | undefined): string {
  const which = best.round === 0 ? 'the base model' : `that after ${roundsOf(best)}`;
  const change = writeSigned(best.heldOut.rewardMean - base.heldOut.rewardMean, 3);
  const reward = `reward ${writeScore(best.heldOut.rewardMean)} (${change})`;
  const ended = stop
    ? ` <b>The guard ${escapeHtml(stop.guard)} stopped the run after ${roundsOf(stop)}, and this is what it ends with.</b>`
    : '';
  return `<p class="facts">The best policy on held-out prompts is ${which}, ${reward}; it is kept in <code>best/</code>.${ended}</p>\n`;
}

function roundsOf({ round }: { readonly round: number }): string {
  return round === 1 ? '1 round' : `${round} rounds`;
}

interface Outcome {
  readonly of: (evaluated: PromptSetEvaluation) => number | null;
  readonly write: (value: number | null) => string;
  readonly predicate: string;
}

function outcome(base: Evaluation, tuned: Evaluation, { of, write, predicate }: Outcome): string {
  const images = predicate === '' ? 'for' : 'of the images of';
  const said = (list: 'train' | 'heldOut', name: string) =>
    `<b>${write(of(tuned[list]))}</b> ${images} ${name} prompts`;
  const before = (list: 'train' | 'heldOut') => `(before: ${write(of(base[list]))})`;
  return `${said('train', 'training')}${predicate} ${before('train')}, and ${said('heldOut', 'held-out')} ${before('heldOut')}`;
}

/** Base -> tuned, on training and held-out prompts. What the model cannot measure has no row. */
export function headlineTable(base: Evaluation, tuned: Evaluation): string {
  const rows = compareEvaluations(base, tuned).map(({ name, train, heldOut }) => {
    const cells = [train, heldOut].map(
      (figure) =>
        `<td>${figure.base}</td><td class="tuned">${figure.tuned}</td><td class="change">${figure.change}</td>`,
    );
    return `<tr><th scope="row">${escapeHtml(name)}</th>${cells.join('')}</tr>`;
  });
  const columns = '<th scope="col">base</th><th scope="col">tuned</th><th scope="col">change</th>';
  const lists = (
    [
      ['training', base.train],
      ['held-out', base.heldOut],
    ] as const
  )
    .map(
      ([list, { prompts, images }]) =>
        `<th colspan="3" scope="colgroup">${list} prompts <small>${prompts}, ${images.toLocaleString('en-US')} images</small></th>`,
    )
    .join('');
  return `<div class="scroll"><table class="headline"><thead><tr><td></td>${lists}</tr><tr><td></td>${columns}${columns}</tr></thead><tbody>${rows.join('')}</tbody></table></div>\n`;
}

/** Verified alignment by template of prompt; nothing where prompts have no templates. */
export function templateTable(base: Evaluation, tuned: Evaluation): string {
  const before = base.byTemplate ?? {};
  const entries = Object.entries(tuned.byTemplate ?? {}).filter(([template]) => template in before);
  if (entries.length === 0) return '';
  const arrow = (from: number | null, to: number | null) =>
    `<td>${writeShare(from)}</td><td class="tuned">${writeShare(to)}</td><td class="change">${writePoints(difference(from, to))}</td>`;
  const rows = entries.map(([template, after]) => {
    const was = before[template] as TemplateAlignment;
    return `<tr><th scope="row">${escapeHtml(template)}</th>${arrow(was.train, after.train)}${arrow(was.heldOut, after.heldOut)}</tr>`;
  });
  return `<h3>Verified alignment by template</h3><div class="scroll"><table class="headline small"><tbody>${rows.join('')}</tbody></table></div>\n`;
}

function difference(before: number | null, after: number | null): number | null {
  return before === null || after === null ? null : after - before;
}
