import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { readMetrics, rewriteMetrics, setAside } from '../../../src/streams/directory/metrics-log.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { alarm, evaluation, roundMetrics } from '../example-metrics.js';

const time = '2026-11-21T10:00:00.000Z';
const base = { kind: 'evaluation', time, ...evaluation(0) } as const;
const round = (index: number, changes = {}) =>
  ({ kind: 'round', time, ...roundMetrics(index, changes) }) as const;
const WHOLE = [base, round(0), { kind: 'alarm', time, ...alarm(1) } as const, round(1), round(2)];

let path = '';
beforeEach(async () => {
  path = await temporaryFolder();
});
const write = (content: string | Uint8Array) => writeFile(join(path, 'metrics.jsonl'), content);
const textOf = (lines: readonly object[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');
const read = async () => {
  const { lines, damaged } = await readMetrics(path);
  return {
    kept: lines.map(({ kind, round }) => `${kind} ${round}`),
    damaged: damaged.map(({ number, damage }) => `${number}: ${damage}`),
  };
};

describe('readMetrics', () => {
  test('should read back what was logged, and nothing where there is no file', async () => {
    expect(await readMetrics(path)).toEqual({ lines: [], damaged: [] });
    await rewriteMetrics(path, WHOLE, new Date(time));
    expect(await readMetrics(path)).toEqual({ lines: WHOLE, damaged: [] });
  });

  test('should read an evaluation whose figures are not numbers', async () => {
    await write(textOf([{ ...base, seconds: null }]));
    const { lines, damaged } = await readMetrics(path);
    expect(lines).toEqual([{ ...base, seconds: Number.NaN }]);
    expect(damaged).toEqual([]);
  });

  const { rewardMean: _, ...withoutReward } = round(1);
  const { lateGroups: __, ...withoutLate } = round(1);
  test.each<[string, object | string, string]>([
    ['a misspelled field', { ...withoutReward, rewardMeam: 0.3 }, 'rewardMean: expected a number or null'],
    ['a missing field', withoutLate, 'lateGroups: expected a whole number'],
    ['NaN as text', { ...round(1), gradNorm: 'NaN' }, 'gradNorm: expected a number'],
    [
      'markup for a number',
      { ...round(1), rewardQueries: '<b>x</b>' },
      'rewardQueries: expected a whole number',
    ],
    ['a list for a number', { ...round(1), elapsedSeconds: [1] }, 'elapsedSeconds: expected a number'],
    ['text in a list', { ...round(1), trainedSteps: [3, 'x'] }, 'trainedSteps.1: expected a whole number'],
    [
      'a number that is no JSON',
      textOf([round(1)]).replace('"gradNorm":0.8', '"gradNorm":NaN'),
      'expected JSON',
    ],
    [
      'a number beyond all bounds',
      textOf([round(1)]).replace(':0.8', ':1e999'),
      'gradNorm: expected a number',
    ],
    ['another index', { ...round(1), round: 7 }, 'policyVersion: expected 1 more than round'],
    [
      'more steps than it has figures of',
      { ...round(1), numSteps: 1e9 },
      'clipFractionByStep: expected as many as numSteps',
    ],
    ['another kind', { ...round(1), kind: 'stag' }, 'kind: expected round, evaluation or alarm'],
    ['no time', { ...round(1), time: 'noon' }, 'time: expected a time in UTC'],
    [
      'a threshold of operators as text',
      { ...round(1), control: { version: 1, guards: { ratioDrift: { threshold: 'x' } } } },
      'control.guards.ratioDrift.threshold: expected a number',
    ],
    ['no object', '[1]\n', 'expected an object'],
    ['text', 'round 1 trained\n', 'expected JSON'],
  ])('should leave out a line with %s, and use the others', async (_name, line, damage) => {
    const spoilt = typeof line === 'string' ? line : textOf([line]);
    await write(textOf([base, round(0)]) + spoilt + textOf([round(2)]));
    expect(await read()).toEqual({
      kept: ['evaluation 0', 'round 0', 'round 2'],
      damaged: [`3: ${damage}`],
    });
  });

  test('should leave out an evaluation or an alarm whose figures are not whole', async () => {
    await write(
      textOf([
        { ...base, heldOut: { ...base.heldOut, rewardMean: '<b>x</b>' } },
        { ...base, byTemplate: { plain: { train: 'x', heldOut: null } } },
        { kind: 'alarm', time, ...alarm(1), threshold: null },
        round(0),
      ]),
    );
    expect(await read()).toEqual({
      kept: ['round 0'],
      damaged: [
        '1: heldOut.rewardMean: expected a number',
        '2: byTemplate.plain.train: expected a number or null',
        '3: threshold: expected a number',
      ],
    });
  });

  test('should leave out bytes that are no text, and a last line that was cut short', async () => {
    await write(textOf(WHOLE.slice(0, 2)));
    await appendFile(join(path, 'metrics.jsonl'), Buffer.of(0, 255, 254, 13, 0, 10));
    await appendFile(join(path, 'metrics.jsonl'), textOf(WHOLE.slice(3)).slice(0, -40));
    const { kept, damaged } = await read();
    expect(kept).toEqual(['evaluation 0', 'round 0', 'round 1']);
    expect(damaged).toEqual(['3: expected JSON', '5: expected JSON']);
  });

  test('should put whole lines in order, and let the later of two on one round count', async () => {
    const again = round(1, { rewardMean: 0.9 });
    await write(textOf([round(2), round(1), again, base, WHOLE[2] as object, round(0)]));
    expect(await read()).toEqual({
      kept: ['evaluation 0', 'round 0', 'alarm 1', 'round 1', 'round 2'],
      damaged: ['2: line 3 is of the same round'],
    });
    expect((await readMetrics(path)).lines[3]).toEqual(again);
  });

  test('should give a figure that was not finite as NaN, which no guard takes for 0', async () => {
    await write(textOf([round(0, { gradNorm: Number.POSITIVE_INFINITY })]));
    const [line] = (await readMetrics(path)).lines;
    expect(line).toMatchObject({ kind: 'round', gradNorm: Number.NaN });
  });

  test('should keep a field that it does not know', async () => {
    await write(textOf([{ ...round(0), later: 1 }]));
    expect((await readMetrics(path)).lines[0]).toHaveProperty('later', 1);
  });

  test('should read any bytes, and set aside what it does not use', async () => {
    const whole = Buffer.from(textOf(WHOLE));
    const mutation = fc.record({
      at: fc.nat(whole.length - 1),
      bytes: fc.uint8Array({ maxLength: 4 }),
      cut: fc.nat(3),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 3 }), async (mutations) => {
        let content = whole;
        for (const { at, bytes, cut } of mutations)
          content = Buffer.concat([content.subarray(0, at), bytes, content.subarray(at + cut)]);
        await write(content);
        const { lines, damaged } = await readMetrics(path);
        const notEmpty = content
          .toString('latin1')
          .split('\n')
          .filter((line) => line !== '');
        expect(lines.length + damaged.length).toBe(notEmpty.length);
        expect(lines.length).toBeGreaterThanOrEqual(WHOLE.length - 2 * mutations.length);
      }),
      { numRuns: 200 },
    );
  });
});

describe('setAside', () => {
  test('should keep lines as they were, below those of earlier times', async () => {
    await write('{"a":1}\nno line\n');
    const { damaged } = await readMetrics(path);
    const at = await setAside(path, damaged);
    await setAside(path, damaged.slice(1));
    expect(await readFile(at, 'utf8')).toBe('{"a":1}\nno line\nno line\n');
  });
});
