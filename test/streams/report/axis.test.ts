import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { axisOver, writeTick } from '../../../src/streams/report/axis.js';

describe('axisOver', () => {
  test('should reach from round number to round number', () => {
    expect(axisOver([0.38, 0.596], 'share').ticks.map((tick) => writeTick(tick, 0.1, 'share'))).toEqual([
      '30 %',
      '40 %',
      '50 %',
      '60 %',
    ]);
    expect(axisOver([0, 7], 'count').ticks).toEqual([0, 2, 4, 6, 8]);
    expect(axisOver([3, 3], 'count').step).toBe(1);
  });

  test('should hold every finite value, in steps of 1, 2 or 5 times a power of ten', () => {
    const finite = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 });
    fc.assert(
      fc.property(fc.array(finite, { maxLength: 20 }), (values) => {
        const { from, to, step, ticks } = axisOver([...values, Number.NaN], 'number');
        expect(to).toBeGreaterThan(from);
        expect(ticks.length).toBeGreaterThanOrEqual(2);
        expect(ticks.length).toBeLessThanOrEqual(7);
        expect(['1', '2', '5']).toContain(step.toExponential(0)[0]);
        const slack = step * 1e-6;
        for (const value of values) {
          expect(value).toBeGreaterThanOrEqual(from - slack);
          expect(value).toBeLessThanOrEqual(to + slack);
        }
      }),
    );
  });
});

describe('writeTick', () => {
  test('should have as many decimals as the step', () => {
    expect(writeTick(0.4, 0.2, 'number')).toBe('0.4');
    expect(writeTick(0.45, 0.05, 'number')).toBe('0.45');
    expect(writeTick(40, 20, 'count')).toBe('40');
    expect(writeTick(2e-8, 1e-8, 'number')).toBe('2e-8');
    expect(writeTick(0, 1e-8, 'number')).toBe('0');
    expect(writeTick(0.425, 0.005, 'share')).toBe('42.5 %');
  });
});
