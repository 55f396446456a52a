/** @file Runs over each other: curves, and what each came to. */

import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { writeDuration, writeNumber, writeScore, writeShare } from '../../../streams/report/figures.js';
import { Figure } from '../../parts/figure.jsx';
import { Plot, type Tone } from '../../parts/plot.jsx';
import { linesOf } from '../../state/run.js';
import { MetricsTable } from '../../state/table.js';
import { runs } from './sides.js';

const TONES: readonly Tone[] = ['train', 'held-out', 'warn', 'third', 'fourth', 'during'];

interface Overlay {
  readonly title: string;
  readonly column: string;
  readonly write: (value: number | null) => string;
  readonly isSparse: boolean;
}

const OVERLAYS: readonly Overlay[] = [
  { title: 'Prompts followed, held out', column: 'heldOut:alignment', write: writeShare, isSparse: true },
  { title: 'Reward, held out', column: 'heldOut:reward', write: writeScore, isSparse: true },
  { title: 'Reward in training', column: 'reward', write: writeNumber, isSparse: false },
  { title: 'Diversity, held out', column: 'heldOut:diversity', write: writeScore, isSparse: true },
];

const tables = signal<ReadonlyMap<string, MetricsTable>>(new Map());

async function loadTable(run: string): Promise<void> {
  const table = new MetricsTable();
  for (let after = 0; ; ) {
    const { lines, next } = await linesOf(run, after);
    for (const line of lines) table.add(line);
    if (next <= after) break;
    after = next;
  }
  tables.value = new Map(tables.value).set(run, table);
}

export function RunCurves() {
  const known = runs.value ?? [];
  const [chosen, setChosen] = useState<readonly string[] | null>(null);
  const shown = chosen ?? known.slice(0, 2).map(({ id }) => id);
  const names = shown.join('\n');
  useEffect(() => {
    for (const id of names.split('\n'))
      if (id !== '' && !tables.value.has(id)) loadTable(id).catch(() => undefined);
  }, [names]);
  if (known.length === 0) return null;
  const toggle = (id: string) =>
    setChosen(shown.includes(id) ? shown.filter((one) => one !== id) : [...shown, id].slice(-TONES.length));
  const picked = known.filter(({ id }) => shown.includes(id));
  return (
    <section aria-labelledby="curves-title">
      <h2 id="curves-title">Runs</h2>
      <fieldset class="checks">
        <legend class="hidden">Runs to compare</legend>
        {known.map(({ id, name, round }) => (
          <label key={id}>
            <input type="checkbox" checked={shown.includes(id)} onChange={() => toggle(id)} />
            {name} <span class="note">{round} rounds</span>
          </label>
        ))}
      </fieldset>
      <FinalFigures runs={picked} />
      <div class="charts">
        {OVERLAYS.map((overlay) => (
          <Overlaid overlay={overlay} runs={picked} key={overlay.title} />
        ))}
      </div>
      {picked.length > 1 && (
        <p>
          <a href={`v1/compare?${picked.map(({ id }) => `run=${encodeURIComponent(id)}`).join('&')}`}>
            Differences of their configs, and a page to keep
          </a>
        </p>
      )}
    </section>
  );
}

interface Picked {
  readonly id: string;
  readonly name: string;
}

function Overlaid({
  overlay,
  runs: picked,
}: {
  readonly overlay: Overlay;
  readonly runs: readonly Picked[];
}) {
  const { title, column, write, isSparse } = overlay;
  const lines = picked.map(({ name }, index) => ({ label: name, tone: TONES[index] ?? 'during', isSparse }));
  return (
    <Figure title={title}>
      <Plot
        title={title}
        write={write}
        lines={lines}
        read={() => {
          const read = picked.map(({ id }) => tables.value.get(id) ?? new MetricsTable());
          const rounds = [...new Set(read.flatMap((table) => table.rounds))].sort((a, b) => a - b);
          const valuesOf = (table: MetricsTable) => {
            const at = new Map(table.rounds.map((round, row) => [round, row]));
            const values = table.column(column);
            return rounds.map((round) => values[at.get(round) ?? -1] ?? null);
          };
          return {
            rounds,
            lines: lines.map((line, index) => ({
              ...line,
              values: valuesOf(read[index] ?? new MetricsTable()),
            })),
          };
        }}
      />
    </Figure>
  );
}

function FinalFigures({ runs: picked }: { readonly runs: readonly Picked[] }) {
  const rows: [name: string, of: (table: MetricsTable | undefined) => string][] = [
    ['prompts followed, held out', (table) => writeShare(table?.measured?.heldOut.verifiedAlignment ?? null)],
    ['reward, held out', (table) => writeScore(table?.measured?.heldOut.rewardMean ?? null)],
    ['diversity, held out', (table) => writeScore(table?.measured?.heldOut.diversity ?? null)],
    ['measured after', (table) => (table?.measured ? `${table.measured.round} rounds` : '–')],
    ['pictures scored', (table) => writeNumber(table?.newest?.rewardQueries ?? null)],
    ['time', (table) => (table?.newest ? writeDuration(table.newest.elapsedSeconds) : '–')],
  ];
  return (
    // A table that scrolls must be reached by keys.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: so that it can be scrolled without a mouse.
    <section class="scroll" tabIndex={0} aria-label="Final figures">
      <table>
        <thead>
          <tr>
            <td />
            {picked.map(({ id, name }, index) => (
              <th scope="col" key={id} class={`key ${TONES[index]}`}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, of]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {picked.map(({ id }) => (
                <td key={id}>{of(tables.value.get(id))}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
