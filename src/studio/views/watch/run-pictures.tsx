/** @file The same prompts from the same noise, at every evaluation. */

import { useState } from 'preact/hooks';
import type { RunSamples } from '../../../client/types.js';
import { gridAddress, runAddress } from '../../api/addresses.js';
import { cellOf, type Sheet, SheetPicture, useSheet } from '../../parts/picture.jsx';
import { usePerRound } from './run-trees.jsx';

const inWords = (round: number) =>
  round === 0 ? 'base model' : `after ${round} ${round === 1 ? 'round' : 'rounds'}`;

export function RunPictures() {
  const samples = usePerRound<RunSamples>(`${runAddress(null)}/samples`);
  const [wanted, setWanted] = useState<number | null>(null);
  const rounds = samples?.rounds ?? [];
  const [first, newest] = [rounds[0], rounds.at(-1)];
  const shown = wanted !== null && rounds.includes(wanted) ? wanted : newest;
  const before = useSheet(first === undefined ? null : gridAddress(null, first));
  const now = useSheet(shown === undefined ? null : gridAddress(null, shown));
  if (!samples || first === undefined || shown === undefined || !before || !now) return null;
  const isPair = rounds.length > 1;
  return (
    <section class="panel" aria-labelledby="pictures-title">
      <div class="panel-head">
        <h2 id="pictures-title">
          The same prompts from the same noise <small>{inWords(shown)}</small>
        </h2>
        {isPair && (
          <label class="time-slider">
            <span class="hidden">Evaluation</span>
            <input
              type="range"
              min={0}
              max={rounds.length - 1}
              step={1}
              value={rounds.indexOf(shown)}
              aria-valuetext={inWords(shown)}
              onInput={({ currentTarget }) => {
                const index = Number(currentTarget.value);
                setWanted(index === rounds.length - 1 ? null : (rounds[index] ?? null));
              }}
            />
          </label>
        )}
      </div>
      <div class="pairs">
        {samples.prompts.map((prompt, row) => (
          <div class="pair" key={`${row}-${prompt}`}>
            <p class="pair-prompt">{prompt}</p>
            <Row {...{ samples, row }} sheet={before} label={inWords(first)} />
            {isPair && <Row {...{ samples, row }} sheet={now} label={inWords(shown)} />}
          </div>
        ))}
      </div>
    </section>
  );
}

interface RowProps {
  readonly samples: RunSamples;
  readonly row: number;
  readonly sheet: Sheet;
  readonly label: string;
}

/** All pictures of a prompt, as they lie in a row of the sheet. */
function Row({ samples: { prompts, columns, gap }, row, sheet, label }: RowProps) {
  const grid = { columns, rows: prompts.length, gap };
  const pictures = Array.from({ length: columns }, (_, column) => column);
  return (
    <div class="pair-row">
      <span class="note">{label}</span>
      <div class="pair-pictures" role="img" aria-label={`${prompts[row]}, ${label}`}>
        {pictures.map((column) => (
          <SheetPicture key={column} sheet={sheet} place={cellOf(sheet, grid, column, row)} alt="" />
        ))}
      </div>
    </div>
  );
}
