/** @file All curves of the run, with what is zoomed and smoothed. */

import { useComputed } from '@preact/signals';
import { writeSteps } from '../../../streams/report/figures.js';
import { Figure } from '../../parts/figure.jsx';
import { colorOf, Plot, smoothing, type Underlay, zoom } from '../../parts/plot.jsx';
import { runTable, tick } from '../../state/run.js';
import type { MetricsTable } from '../../state/table.js';
import { type CurveChart, chartsOf } from './curves.js';

/** Last rounds that a button shows. */
const RANGES = [50, 200] as const;

/** What the charts show, for keys as for the mouse. */
export function ChartTools() {
  const last = (rounds: number) => {
    const newest = runTable().rounds.at(-1) ?? 0;
    zoom.value = [Math.max(0, newest - rounds), newest];
  };
  return (
    <div class="tools">
      <fieldset class="segments">
        <legend class="hidden">Rounds shown</legend>
        <button
          type="button"
          aria-pressed={zoom.value === null}
          onClick={() => {
            zoom.value = null;
          }}
        >
          all rounds
        </button>
        {RANGES.map((rounds) => (
          <button type="button" key={rounds} onClick={() => last(rounds)}>
            last {rounds}
          </button>
        ))}
      </fieldset>
      <label class="note">
        smoothing
        <input
          type="range"
          min={0}
          max={0.95}
          step={0.05}
          value={smoothing.value}
          onInput={({ currentTarget }) => {
            smoothing.value = Number(currentTarget.value);
          }}
        />
      </label>
      <span class="note wide-only">drag over a chart to zoom, double-click to go back</span>
    </div>
  );
}

/** The charts of one kind, which stay as they are while their figures change. */
function useCharts(isInner: boolean): readonly CurveChart[] {
  const charts = () => chartsOf(runTable()).filter((chart) => (chart.isInner ?? false) === isInner);
  const known = useComputed(() => {
    tick.value;
    return charts()
      .map(({ title, curves }) => `${title}:${curves.map(({ column }) => column).join()}`)
      .join('|');
  });
  return known.value === '' ? [] : charts();
}

/** What training comes to, and what it trains. */
export function Charts() {
  return (
    <section class="charts" aria-labelledby="curves-title">
      <h2 id="curves-title" class="hidden">
        Curves
      </h2>
      {useCharts(false).map((chart) => (
        <CurveFigure chart={chart} key={chart.title} />
      ))}
      <IntervalFigure />
    </section>
  );
}

/** How training goes. */
export function InnerCharts() {
  const charts = useCharts(true);
  if (charts.length === 0) return null;
  return (
    <section aria-labelledby="inner-title">
      <h2 id="inner-title" class="section-title">
        How training goes
      </h2>
      <div class="charts">
        {charts.map((chart) => (
          <CurveFigure chart={chart} key={chart.title} />
        ))}
      </div>
    </section>
  );
}

function CurveFigure({ chart }: { readonly chart: CurveChart }) {
  const { title, note, curves, isFromZero } = chart;
  return (
    <Figure title={title} note={note}>
      <Plot
        title={title}
        {...tellers(chart)}
        lines={curves}
        read={() => {
          tick.value;
          const table = runTable();
          const lines = curves.map((curve) => ({ ...curve, values: table.column(curve.column) }));
          return { rounds: table.rounds, lines };
        }}
        {...(isFromZero && { range: fromZero })}
      />
    </Figure>
  );
}

/** How figures are written. */
const tellers = ({ write, writeTick }: CurveChart) => ({ write, ...(writeTick && { writeTick }) });

const fromZero = (_: number, high: number): [number, number] => [0, high > 0 ? high * 1.05 : 1];

/** Which steps of the sampler each round trained: the noisiest at the top. */
function IntervalFigure() {
  const underlay: Underlay = (plot) => {
    const { ctx } = plot;
    ctx.save();
    ctx.fillStyle = colorOf('train');
    ctx.globalAlpha = 0.75;
    const at = (value: number, axis: 'x' | 'y') => Math.round(plot.valToPos(value, axis, true));
    for (const { from, to, steps } of stretches(runTable())) {
      const [left, right] = [at(from, 'x'), at(to, 'x')];
      for (const step of steps) {
        const [top, bottom] = [at(step, 'y'), at(step + 1, 'y')];
        ctx.fillRect(left, top + 1, Math.max(1, right - left), bottom - top - 2);
      }
    }
    ctx.restore();
  };
  return (
    <Figure
      title="Interval of training"
      note="The sampler steps that each round trained, the noisiest at the top."
    >
      <Plot
        title="Interval of training"
        write={(value) => String(Math.round(value))}
        lines={[{ label: 'steps trained', tone: 'train', isHidden: true, isSparse: true }]}
        read={() => {
          tick.value;
          const { rounds, trained } = runTable();
          const values = trained.map((steps) => (steps.length === 0 ? null : steps.length));
          return { rounds, lines: [{ label: 'steps trained', tone: 'train', values }] };
        }}
        range={() => [Math.max(1, runTable().numSteps), 0]}
        underlay={underlay}
      />
      <p class="note">{intervalInWords()}</p>
    </Figure>
  );
}

function intervalInWords(): string {
  tick.value;
  const { newest } = runTable();
  if (!newest || newest.trainedSteps.length === 0) return '';
  return `Round ${newest.round + 1} trained steps ${writeSteps(newest.trainedSteps)} of ${newest.numSteps}.`;
}

interface Stretch {
  readonly from: number;
  to: number;
  readonly steps: readonly number[];
}

/** Rounds in a row that trained the same steps: there are few, however many rounds there are. */
function stretches({ rounds, trained }: MetricsTable): Stretch[] {
  const found: Stretch[] = [];
  for (const [row, steps] of trained.entries()) {
    const last = found.at(-1);
    const round = rounds[row] ?? 0;
    if (last && String(last.steps) === String(steps)) last.to = round;
    else found.push({ from: last ? last.to : round - 1, to: round, steps });
  }
  return found;
}
