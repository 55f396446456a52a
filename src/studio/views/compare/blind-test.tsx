/** @file The blind test: two pictures of one prompt from one noise, in random order. */

import { useEffect, useState } from 'preact/hooks';
import { gridAddress } from '../../api/addresses.js';
import { announce } from '../../parts/announcer.jsx';
import { cellOf, type Sheet, SheetPicture, useSheet } from '../../parts/picture.jsx';
import { useKeys } from '../../parts/shortcuts.js';
import {
  type Answer,
  nextTrial,
  type Pair,
  type Preference,
  type Trial,
  unforeseen,
} from '../../state/blind.js';
import { BlindResult } from './blind-result.jsx';
import { keyOf, type Side, sides } from './sides.js';

/** What is kept of a test in the browser. */
interface Test {
  readonly answers: readonly Answer[];
  readonly skipped: readonly Pair[];
}

const NEW_TEST: Test = { answers: [], skipped: [] };
const storageKey = (first: Side, second: Side) => `tributary-blind ${keyOf(first)} ${keyOf(second)}`;

function readTest(first: Side, second: Side): Test {
  try {
    return { ...NEW_TEST, ...JSON.parse(localStorage.getItem(storageKey(first, second)) ?? '{}') };
  } catch {
    return NEW_TEST;
  }
}

export function BlindTest() {
  const known = sides.value;
  const [chosen, setChosen] = useState<readonly [string | null, string | null]>([null, null]);
  const first = known.find((side) => keyOf(side) === chosen[0]) ?? known[0];
  const second =
    known.find((side) => keyOf(side) === chosen[1]) ?? known.findLast(({ run }) => run === first?.run);
  if (!first || !second)
    return <p class="note">No run here has pictures yet: they are drawn at evaluations.</p>;
  return (
    <section class="blind" aria-labelledby="blind-title">
      <h2 id="blind-title">Blind test</h2>
      <p class="note">
        Two pictures of one prompt from the same noise, in random order: which one do you prefer? What they
        are is not shown.
      </p>
      <div class="sides">
        <SideSelect label="first" side={first} onChange={(key) => setChosen([key, keyOf(second)])} />
        <SideSelect label="second" side={second} onChange={(key) => setChosen([keyOf(first), key])} />
      </div>
      {keyOf(first) === keyOf(second) ? (
        <p class="note">Choose two different policies.</p>
      ) : (
        <Trials first={first} second={second} key={storageKey(first, second)} />
      )}
    </section>
  );
}

interface SideSelectProps {
  readonly label: string;
  readonly side: Side;
  readonly onChange: (key: string) => void;
}

function SideSelect({ label, side, onChange }: SideSelectProps) {
  return (
    <label class="select">
      <span class="note">{label}</span>
      <select value={keyOf(side)} onChange={({ currentTarget }) => onChange(currentTarget.value)}>
        {sides.value.map((one) => (
          <option key={keyOf(one)} value={keyOf(one)}>
            {one.label}
          </option>
        ))}
      </select>
    </label>
  );
}

function Trials({ first, second }: { readonly first: Side; readonly second: Side }) {
  const [test, setTest] = useState(() => readTest(first, second));
  const [trial, setTrial] = useState<Trial | null>(() => draw(test));
  const left = useSheet(gridAddress(first.run, first.round));
  const right = useSheet(gridAddress(second.run, second.round));
  const prompt = trial === null ? '' : (first.samples.prompts[trial.row] ?? '');

  function draw({ answers, skipped }: Test): Trial | null {
    const shared = first.samples.prompts.flatMap((one, row) =>
      second.samples.prompts.includes(one) ? [row] : [],
    );
    const columns = Math.min(first.samples.columns, second.samples.columns);
    return nextTrial(shared, columns, [...answers, ...skipped], unforeseen);
  }
  const keep = (next: Test, shown: Trial | null) => {
    localStorage.setItem(storageKey(first, second), JSON.stringify(next));
    setTest(next);
    setTrial(shown);
  };
  const answer = (side: 'left' | 'right' | 'same') => {
    if (!trial) return;
    const isSecond = (side === 'left') === trial.isSwapped;
    const preference: Preference = side === 'same' ? 'same' : isSecond ? 'second' : 'first';
    const next = { ...test, answers: [...test.answers, { ...trial, preference }] };
    keep(next, draw(next));
  };
  const skip = () => {
    if (!trial) return;
    const next = { ...test, skipped: [...test.skipped, { row: trial.row, column: trial.column }] };
    keep(next, draw(next));
  };
  const undo = () => {
    const last = test.answers.at(-1);
    if (!last) return false;
    const { preference: _, ...shown } = last;
    keep({ ...test, answers: test.answers.slice(0, -1) }, shown);
    announce('Undone.');
    return true;
  };
  useKeys({
    1: () => answer('left'),
    2: () => answer('right'),
    0: () => answer('same'),
    s: skip,
    u: undo,
  });
  useEffect(() => {
    if (prompt !== '') announce(prompt);
  }, [prompt]);

  const shown = [
    { side: first, sheet: left },
    { side: second, sheet: right },
  ];
  if (trial?.isSwapped) shown.reverse();
  return (
    <>
      {trial && left && right && (
        <div class="trial">
          <h3 class="prompt">{prompt}</h3>
          <div class="trial-pictures">
            {shown.map(({ side, sheet }, index) => (
              <button
                type="button"
                key={index === 0 ? 'left' : 'right'}
                class="leaf-frame"
                onClick={() => answer(index === 0 ? 'left' : 'right')}
              >
                <Cell {...{ side, prompt }} sheet={sheet ?? left} column={trial.column} number={index + 1} />
                <span class="leaf-number" aria-hidden="true">
                  {index + 1}
                </span>
              </button>
            ))}
          </div>
          <div class="buttons">
            <button type="button" onClick={() => answer('same')}>
              No difference <kbd>0</kbd>
            </button>
            <button type="button" onClick={skip}>
              Skip <kbd>s</kbd>
            </button>
            <button type="button" disabled={test.answers.length === 0} onClick={undo}>
              Undo <kbd>u</kbd>
            </button>
          </div>
        </div>
      )}
      {!trial && <p>That were all pairs.</p>}
      <BlindResult
        answers={test.answers}
        labels={[first.label, second.label]}
        isOver={trial === null}
        onAgain={() => keep(NEW_TEST, draw(NEW_TEST))}
      />
    </>
  );
}

interface CellProps {
  readonly side: Side;
  readonly sheet: Sheet;
  readonly prompt: string;
  readonly column: number;
  readonly number: number;
}

function Cell({ side: { samples }, sheet, prompt, column, number }: CellProps) {
  const { columns, gap, prompts } = samples;
  const place = cellOf(sheet, { columns, gap, rows: prompts.length }, column, prompts.indexOf(prompt));
  return <SheetPicture sheet={sheet} place={place} alt={`Picture ${number}: ${prompt}`} />;
}
