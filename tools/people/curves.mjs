/** @file Verified alignment by the number of choices, one line an arm. */
import { studyChart } from '../../dist/streams/study/page/study-chart.js';
import { overSeeds } from './figures.mjs';

/** Rows of measure.mjs as an SVG; each line with its interval over the prompts. */
export function curves(rows) {
  const arms = [...new Set(rows.map(({ arm }) => arm))];
  const choices = [...new Set(rows.map(({ choices: at }) => at))];
  const base = rows[0].base / 100;
  const series = arms.map((arm) => ({
    label: arm,
    points: [
      { x: 0, y: base, low: null, high: null },
      ...choices.map((x) => {
        const found = overSeeds(rows.filter((row) => row.arm === arm && row.choices === x));
        const [y, half] = [base + found.change / 100, found.overPrompts / 100];
        return { x, y, low: y - half, high: y + half };
      }),
    ],
  }));
  return studyChart({
    title: 'Verified alignment on prompts nobody voted on, by choices',
    xLabel: 'choices of a person',
    xUnit: 'count',
    yLabel: 'verified alignment',
    yUnit: 'share',
    series,
    markers: true,
  });
}
