/** @file A chart of lines over rounds, which can be hovered, zoomed and smoothed, with all others on the page. */

import { effect, signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { smoothed } from '../state/table.js';
import { whenIdle } from './when-idle.js';

export type Tone = 'train' | 'held-out' | 'during' | 'warn' | 'third' | 'fourth';

/** A line of a chart. */
export interface PlotLine {
  readonly label: string;
  readonly tone: Tone;
  readonly values: readonly (number | null)[];
  /** Of single measurements: dots that are joined, and never smoothed. */
  readonly isSparse?: boolean;
  /** Stands in the legend alone: what is under the lines shows it. */
  readonly isHidden?: boolean;
}

/** What a chart shows now. */
export interface PlotData {
  readonly rounds: readonly number[];
  readonly lines: readonly PlotLine[];
}

/** Draws under the lines, in pixels of the canvas. */
export type Underlay = (plot: uPlot) => void;

interface PlotProps {
  readonly title: string;
  readonly write: (value: number) => string;
  /** At the axis; by default the same. */
  readonly writeTick?: (value: number) => string;
  /** The labels and tones of its lines, which stay. */
  readonly lines: readonly Omit<PlotLine, 'values'>[];
  /** Asked for the data whenever it may have changed; reads signals. */
  readonly read: () => PlotData;
  readonly range?: (low: number, high: number) => [low: number, high: number];
  readonly underlay?: Underlay;
  readonly height?: number;
}

/** The rounds that all charts show; null for all there are. */
export const zoom = signal<readonly [from: number, to: number] | null>(null);

/** How much of the past smoothed lines hold, in [0, 1). */
export const smoothing = signal(0.6);

const HEIGHT = 190;
const FEW_ROUNDS = 3;
const SYNC = 'rounds';

/** The color of a name of the style sheet, as it is now. */
export function colorOf(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

export function Plot(props: PlotProps) {
  const { title, lines } = props;
  const canvas = useRef<HTMLDivElement>(null);
  const legend = useRef<HTMLDListElement>(null);
  const current = useRef(props);
  current.current = props;
  const names = lines.map(({ label }) => label).join();
  useEffect(() => {
    const [place, said] = [canvas.current, legend.current];
    if (!place || !said) return;
    return startPlot(place, said, () => current.current);
  }, [names]);
  return (
    <div class="plot">
      <dl class="legend" ref={legend}>
        {lines.map(({ label, tone }) => (
          <div key={label} class={`key ${tone}`}>
            <dt>{label}</dt>
            <dd>–</dd>
          </div>
        ))}
      </dl>
      <div class="plot-canvas" ref={canvas} role="img" aria-label={title} />
    </div>
  );
}

/** Draws the chart until it is given up. */
function startPlot(place: HTMLElement, legend: HTMLElement, propsNow: () => PlotProps): () => void {
  let plot: uPlot | null = null;
  let shown: PlotData = { rounds: [], lines: [] };
  const values = [...legend.querySelectorAll('dd')];

  const say = (index: number | null | undefined) => {
    for (const [line, value] of values.entries()) {
      const column = shown.lines[line]?.values ?? [];
      const at = index ?? column.findLastIndex((one) => one !== null);
      const number = column[at];
      value.textContent = number === null || number === undefined ? '–' : propsNow().write(number);
    }
  };
  const describe = () => {
    const [first, last] = [shown.rounds[0], shown.rounds.at(-1)];
    const words = shown.lines.map(({ label, values: column }) => {
      const measured = column.filter((value) => value !== null);
      const [from, to] = [measured[0], measured.at(-1)];
      if (from === undefined || to === undefined) return `${label}: nothing yet`;
      return `${label}: from ${propsNow().write(from)} to ${propsNow().write(to)}`;
    });
    place.setAttribute(
      'aria-label',
      `${propsNow().title}, rounds ${first ?? 0} to ${last ?? 0}. ${words.join('; ')}.`,
    );
  };
  const update = () => {
    if (place.clientWidth === 0) return;
    const data = dataOf(shown);
    if (plot) plot.setData(data, zoom.peek() === null);
    else plot = new uPlot(optionsOf(propsNow(), place.clientWidth, say), data, place);
    say(plot.cursor.idx);
    describe();
  };
  const cancel = { update: () => {} };
  const stopReading = effect(() => {
    // What is read here brings the next drawing; that waits for its turn.
    shown = propsNow().read();
    smoothing.value;
    cancel.update();
    cancel.update = whenIdle(update);
  });
  const stopZoom = effect(() => {
    const range = zoom.value;
    if (!plot) return;
    const [min, max] = range ?? [shown.rounds[0] ?? 0, shown.rounds.at(-1) ?? 1];
    plot.setScale('x', { min, max });
  });
  const again = () => {
    plot?.destroy();
    plot = null;
    update();
  };
  const sizes = new ResizeObserver(() => {
    if (!plot) update();
    else if (plot.width !== place.clientWidth)
      plot.setSize({ width: place.clientWidth, height: plot.height });
  });
  sizes.observe(place);
  const themes = new MutationObserver(again);
  themes.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
  const scheme = matchMedia('(prefers-color-scheme: dark)');
  scheme.addEventListener('change', again);
  return () => {
    cancel.update();
    stopReading();
    stopZoom();
    sizes.disconnect();
    themes.disconnect();
    scheme.removeEventListener('change', again);
    plot?.destroy();
  };
}

/** Each line that is smoothed stands twice: as it was measured, faint, and smoothed. */
function dataOf({ rounds, lines }: PlotData): uPlot.AlignedData {
  const columns = lines.flatMap(({ values, isSparse }) =>
    isSparse ? [[...values]] : [[...values], smoothed(values, smoothing.peek())],
  );
  return [[...rounds], ...columns];
}

function optionsOf(
  props: PlotProps,
  width: number,
  say: (index: number | null | undefined) => void,
): uPlot.Options {
  const { lines, write, writeTick = write, range, underlay, height = HEIGHT } = props;
  const [soft, rule] = [colorOf('soft'), colorOf('rule')];
  const font = '12px system-ui, sans-serif';
  const axis = { stroke: soft, font, ticks: { show: false }, grid: { stroke: rule, width: 1 } };
  const drawn = lines.flatMap(({ tone, label, isSparse, isHidden = false }): uPlot.Series[] => {
    const stroke = colorOf(tone);
    const line = { label, stroke, width: 2, spanGaps: true, show: !isHidden };
    if (isSparse) return [{ ...line, points: { show: true, size: 6, fill: stroke } }];
    return [
      { ...line, alpha: 0.35, width: 1, points: { show: false } },
      // A line through one point cannot be seen.
      { ...line, points: { show: ({ data }) => data[0].length <= FEW_ROUNDS, size: 6 } },
    ];
  });
  return {
    width,
    height,
    legend: { show: false },
    cursor: {
      sync: { key: SYNC },
      points: { size: 7 },
      drag: { x: true, y: false, setScale: false },
      y: false,
      bind: {
        dblclick: () => () => {
          zoom.value = null;
          return null;
        },
      },
    },
    scales: { x: { time: false }, y: range ? { range: (_, low, high) => range(low ?? 0, high ?? 1) } : {} },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 26,
        space: 60,
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000],
      },
      {
        ...axis,
        // As wide as its longest label.
        size: (_, labels) => 14 + 7 * Math.max(3, ...(labels ?? []).map((label) => label.length)),
        values: (_, splits) => splits.map((split) => writeTick(split)),
      },
    ],
    series: [{}, ...drawn],
    hooks: {
      setCursor: [({ cursor }) => say(cursor.idx)],
      setSelect: [
        (plot) => {
          const { left, width: wide } = plot.select;
          if (wide < 4) return;
          zoom.value = [plot.posToVal(left, 'x'), plot.posToVal(left + wide, 'x')];
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
      drawClear: underlay ? [underlay] : [],
    },
  };
}
