/** @file The run in a line, and what it has come to. */

import type { RunInfo } from '../../../client/types.js';
import {
  writeDuration,
  writeNumber,
  writePoints,
  writeScore,
  writeShare,
  writeSigned,
} from '../../../streams/report/figures.js';
import { progress, runInfo, runTable, tick } from '../../state/run.js';
import { secondsLeft } from '../../state/table.js';

const STATES: Readonly<Record<RunInfo['state'], string>> = {
  waiting: 'waiting to begin',
  running: 'running',
  finished: 'finished',
  stopped: 'stopped',
};

/** A run of so many rounds goes on for as long as people like. */
const ENDLESS = 10_000;

export function Summary({ run }: { readonly run: RunInfo }) {
  tick.value;
  const isEndless = run.numRounds >= ENDLESS;
  const left = run.state === 'running' && !isEndless ? secondsLeft(runTable(), run.numRounds) : null;
  const inRound = progress.value;
  const share = inRound && inRound.groupsPerRound > 0 ? inRound.groupsSampled / inRound.groupsPerRound : 0;
  const done = Math.min(1, (run.round + Math.min(1, share)) / Math.max(1, run.numRounds));
  return (
    <header class="summary">
      <div class="summary-words">
        <span class={`pill ${run.state}`}>{STATES[run.state]}</span>
        <span>
          <b>{writeNumber(run.round)}</b> {isEndless ? '' : `of ${writeNumber(run.numRounds)} `}rounds
        </span>
        {left !== null && left > 0 && <span>{writeDuration(left)} left</span>}
        {run.state === 'running' && inRound && (
          <span class="note">
            {inRound.groupsSampled} of {inRound.groupsPerRound} groups of this round drawn
          </span>
        )}
      </div>
      {!isEndless && <progress max={1} value={done} aria-label={`${run.round} of ${run.numRounds} rounds`} />}
    </header>
  );
}

interface KeyFigure {
  readonly name: string;
  readonly value: string;
  readonly change: string;
  readonly isGood: boolean | null;
}

/** What training has changed so far, on prompts that it never sees. */
export function KeyFigures() {
  tick.value;
  const { base, measured, newest } = runTable();
  if (!measured && !newest) return null;
  return (
    <dl class="key-figures">
      {keyFigures(base, measured, newest).map(({ name, value, change, isGood }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            {value}{' '}
            {change !== '' && <small class={isGood === null ? '' : isGood ? 'good' : 'bad'}>{change}</small>}
          </dd>
        </div>
      ))}
    </dl>
  );
}

type Table = ReturnType<typeof runTable>;

function keyFigures(base: Table['base'], measured: Table['measured'], newest: Table['newest']): KeyFigure[] {
  const [was, is] = [base?.heldOut, measured?.heldOut];
  const figures: KeyFigure[] = [];
  if (is && is.verifiedAlignment !== null) {
    const gain = was && was.verifiedAlignment !== null ? is.verifiedAlignment - was.verifiedAlignment : null;
    figures.push({
      name: 'prompts followed, held out',
      value: writeShare(is.verifiedAlignment),
      change: gain === null || measured?.round === 0 ? '' : writePoints(gain),
      isGood: gain === null || gain === 0 ? null : gain > 0,
    });
  }
  if (is) {
    const gain = was ? is.rewardMean - was.rewardMean : null;
    figures.push({
      name: 'reward, held out',
      value: writeScore(is.rewardMean),
      change: gain === null || measured?.round === 0 ? '' : writeSigned(gain, 3),
      isGood: gain === null || gain === 0 ? null : gain > 0,
    });
  }
  if (is?.diversity && was?.diversity)
    figures.push({
      name: 'diversity kept',
      value: `${Math.round((100 * is.diversity) / was.diversity)} %`,
      change: '',
      isGood: null,
    });
  if (newest) {
    const people = runTable()
      .column('outside')
      .reduce<number>((sum, value) => sum + (value ?? 0), 0);
    figures.push({
      name: people > 0 ? 'pictures judged by people' : 'pictures judged',
      value: writeNumber(people > 0 ? people : newest.rewardQueries),
      change: '',
      isGood: null,
    });
    figures.push({ name: 'time', value: writeDuration(newest.elapsedSeconds), change: '', isGood: null });
  }
  return figures;
}

/** The name of the run as a heading. */
export function runName(): string {
  return runInfo.value?.name ?? 'Watch';
}
