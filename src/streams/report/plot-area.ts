/** @file The frame that all charts share: one size, margins, an x axis of rounds. */
import { type Axis, type Unit, writeTick } from './axis.js';
import { escapeHtml } from './figures.js';

export const CHART = { width: 520, height: 250, left: 46, right: 84, top: 14, bottom: 34 } as const;

const RIGHT = CHART.width - CHART.right;
const BASE = CHART.height - CHART.bottom;

export interface Captions {
  readonly title: string;
  /** One sentence that says how to read it. */
  readonly note: string;
}

/** Where a value lies between `from` and `to`, in pixels of the plot area. */
export function placeX(axis: Pick<Axis, 'from' | 'to'>, value: number): number {
  return CHART.left + ((value - axis.from) / (axis.to - axis.from || 1)) * (RIGHT - CHART.left);
}

/** Small values at the base line. */
export function placeY(axis: Pick<Axis, 'from' | 'to'>, value: number): number {
  return BASE - ((value - axis.from) / (axis.to - axis.from || 1)) * (BASE - CHART.top);
}

/** A coordinate, short. */
export function pixels(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** Horizontal lines with their values. */
export function gridLines(axis: Axis, unit: Unit): string {
  return axis.ticks
    .map((tick) => {
      const y = pixels(placeY(axis, tick));
      return `<line class="grid" x1="${CHART.left}" x2="${RIGHT}" y1="${y}" y2="${y}"/><text class="tick" x="${CHART.left - 8}" y="${y}" dy="0.32em" text-anchor="end">${writeTick(tick, axis.step, unit)}</text>`;
    })
    .join('');
}

/** Ticks of the x axis, at whole numbers, and its name. */
export function roundTicks(axis: Axis, label: string, at: (round: number) => number): string {
  const ticks = axis.ticks
    .map(
      (tick) =>
        `<text class="tick" x="${pixels(at(tick))}" y="${BASE + 16}" text-anchor="middle">${tick}</text>`,
    )
    .join('');
  const middle = (CHART.left + RIGHT) / 2;
  return `${ticks}<text class="tick" x="${middle}" y="${BASE + 31}" text-anchor="middle">${escapeHtml(label)}</text>`;
}

/** A chart with its title above it. */
export function figure({ title, note }: Captions, content: string): string {
  return `<figure><figcaption><h3>${escapeHtml(title)}</h3><p>${escapeHtml(note)}</p></figcaption><svg viewBox="0 0 ${CHART.width} ${CHART.height}" role="img" aria-label="${escapeHtml(title)}">${content}</svg></figure>\n`;
}
