/** @file One axis of a chart: round ticks, and numbers to places. */

export interface Axis {
  readonly from: number;
  readonly to: number;
  /** Distance of two ticks: 1, 2 or 5 times a power of ten. */
  readonly step: number;
  readonly ticks: readonly number[];
}

/** What an axis counts. */
export type Unit = 'share' | 'number' | 'count';

/**
 * Returns an axis over all values, from round number to round number, with about `wanted` steps. Counts have whole
 * ticks. Values that are not finite do not matter.
 */
export function axisOver(values: readonly number[], unit: Unit, wanted = 4): Axis {
  const finite = values.filter(Number.isFinite);
  const low = finite.length === 0 ? 0 : Math.min(...finite);
  const high = finite.length === 0 ? 1 : Math.max(...finite);
  const largest = Math.max(Math.abs(low), Math.abs(high));
  const size = largest > 1e-300 ? largest : 1;
  // Values that differ in their last bits only are one value.
  const span = high - low > size * 1e-9 ? high - low : size;
  const step = Math.max(roundStep(span / wanted), unit === 'count' ? 1 : 0);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9));
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
  return { from: first * step, to: last * step, step, ticks };
}

/** Writes a tick with as many decimals as the step needs. */
export function writeTick(value: number, step: number, unit: Unit): string {
  const factor = unit === 'share' ? 100 : 1;
  const decimals = Math.max(0, -Math.floor(Math.log10(step * factor) + 1e-9));
  const text =
    decimals > 4 && value !== 0 ? value.toExponential(0) : (value * factor).toFixed(Math.min(decimals, 4));
  return unit === 'share' ? `${text} %` : Number(text) === 0 ? '0' : text;
}

/** The smallest of 1, 2, 5 times a power of ten that is not below `step`. */
function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  const factor = [1, 2, 5].find((candidate) => candidate * power >= step * (1 - 1e-9)) ?? 10;
  return factor * power;
}
