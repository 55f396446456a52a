/** @file What a blind test has shown: a rate and its interval. */

import { useState } from 'preact/hooks';
import { type Answer, resultOf } from '../../state/blind.js';

interface BlindResultProps {
  readonly answers: readonly Answer[];
  readonly labels: readonly [first: string, second: string];
  readonly isOver: boolean;
  readonly onAgain: () => void;
}

export function BlindResult({ answers, labels, isOver, onAgain }: BlindResultProps) {
  const [isShown, setShown] = useState(false);
  if (answers.length === 0) return null;
  if (!isShown && !isOver)
    return (
      <p class="note result-hidden">
        {answers.length} {answers.length === 1 ? 'pair' : 'pairs'} judged.{' '}
        <button type="button" class="quiet" onClick={() => setShown(true)}>
          Show the result so far
        </button>
      </p>
    );
  const { first, second, same, winRate, interval } = resultOf(answers);
  const percent = (share: number) => `${Math.round(100 * share)} %`;
  return (
    <div class="result" role="status">
      {winRate !== null && interval && (
        <>
          <p>
            <b>{labels[1]}</b> was preferred in <b>{percent(winRate)}</b> of {first + second} pairs, 95 %
            interval {percent(interval[0])} to {percent(interval[1])}. {inWords(interval)}
          </p>
          <div class="interval" aria-hidden="true">
            <i class="half" />
            <i class="span" style={{ left: `${100 * interval[0]}%`, right: `${100 * (1 - interval[1])}%` }} />
            <i class="rate" style={{ left: `${100 * winRate}%` }} />
          </div>
        </>
      )}
      <p class="note">
        {second} for {labels[1]}, {first} for {labels[0]}, {same} without a difference.
      </p>
      <div class="buttons">
        <button type="button" onClick={() => download(answers, labels)}>
          Save the answers
        </button>
        <button type="button" onClick={onAgain}>
          Begin anew
        </button>
      </div>
    </div>
  );
}

function inWords([low, high]: readonly [number, number]): string {
  if (low > 0.5) return 'That is more than chance.';
  return high < 0.5 ? 'That is less than chance.' : 'It may still be chance.';
}

/** Saves the answers as JSON lines. */
function download(answers: readonly Answer[], [first, second]: readonly [string, string]): void {
  const lines = answers.map((answer) => `${JSON.stringify({ first, second, ...answer })}\n`);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob(lines, { type: 'application/jsonl' }));
  link.download = 'preferences.jsonl';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
