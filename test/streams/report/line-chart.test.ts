import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lineChart, type Series } from '../../../src/streams/report/line-chart.js';
import { elementsOf } from './markup.js';

const chart = (series: readonly Series[], fromZero = false) =>
  lineChart({ title: 'T', note: 'N', unit: 'number', xLabel: 'x', series, fromZero });

const pointsOf = (svg: string) =>
  [...svg.matchAll(/<polyline[^>]*points="([^"]*)"/g)].map(([, points = '']) =>
    points.split(' ').map((point) => point.split(',').map(Number)),
  );

describe('lineChart', () => {
  test('should place the smallest x at the left margin and larger values higher', () => {
    const [line] = pointsOf(
      chart([
        {
          label: 'a',
          tone: 'train',
          points: [
            [2, 0],
            [4, 1],
            [6, 2],
          ],
        },
      ]),
    );
    expect(line).toEqual([
      [46, 216],
      [241, 115],
      [436, 14],
    ]);
  });

  test('should leave out what was not measured', () => {
    const svg = chart([
      {
        label: 'a',
        tone: 'train',
        points: [
          [0, 1],
          [1, null],
          [2, Number.NaN],
          [3, 2],
        ],
      },
      { label: 'none', tone: 'warn', points: [[0, null]] },
    ]);
    expect(pointsOf(svg).map((line) => line.length)).toEqual([2]);
    expect(svg).not.toContain('none');
  });

  test('should be nothing where nothing was measured', () => {
    expect(chart([{ label: 'a', tone: 'train', points: [[0, null]] }])).toBe('');
  });

  test('should mark a line of one point, which could not be seen otherwise', () => {
    expect(chart([{ label: 'a', tone: 'train', points: [[0, 3]] }])).toContain('<circle');
  });

  test('should begin at zero where told to', () => {
    const series: Series[] = [
      {
        label: 'a',
        tone: 'train',
        points: [
          [0, 9],
          [1, 10],
        ],
      },
    ];
    const ticks = (svg: string) => [...svg.matchAll(/end">([^<]*)</g)].map(([, tick]) => tick);
    expect(ticks(chart(series))[0]).toBe('9.0');
    expect(ticks(chart(series, true))[0]).toBe('0');
  });

  test('should keep labels apart and inside, and markup well-formed', () => {
    const value = fc.double({ noNaN: true, min: -1e6, max: 1e6 });
    const series = fc.record({
      label: fc.string(),
      tone: fc.constantFrom('train' as const, 'held-out' as const, 'warn' as const),
      markers: fc.boolean(),
      points: fc.array(value, { minLength: 1, maxLength: 9 }).map((ys) => ys.map((y, x) => [x, y] as const)),
    });
    fc.assert(
      fc.property(fc.array(series, { minLength: 1, maxLength: 5 }), (lines) => {
        const svg = chart(lines);
        expect(elementsOf(svg)).toContain('svg');
        const ys = [...svg.matchAll(/class="label [\w-]+" x="[^"]*" y="([^"]*)"/g)].map(([, y]) => Number(y));
        for (const [index, y] of ys.entries()) {
          expect(y).toBeLessThanOrEqual(216);
          expect(y).toBeGreaterThanOrEqual(0);
          if (index > 0) expect(y - (ys[index - 1] ?? 0)).toBeGreaterThanOrEqual(13.8);
        }
      }),
    );
  });
});
