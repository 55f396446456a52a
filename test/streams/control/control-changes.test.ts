import { describe, expect, it } from 'vitest';
import { lintTopology } from '../../../src/streams/config/lint-topology.js';
import {
  type ControlChange,
  changeGuard,
  freeze,
  moveSchedule,
  replacePrompts,
  reset,
  scaleLearningRate,
  unfreeze,
} from '../../../src/streams/control/control-changes.js';
import { type Control, UNCONTROLLED } from '../../../src/streams/messages/control-state.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { listed } from '../../fixtures/listed-prompts.js';
import { SMALLEST } from '../config/valid-config.js';

const place = { round: 3, numRounds: 10, position: 3, numPositions: 10 };
const scheduled = (shift: number, frozenAt: number | null = null): Control => ({
  ...UNCONTROLLED,
  version: 4,
  schedule: { shift, frozenAt },
});
const { config } = lintTopology(SMALLEST, 'smallest.yaml', { overrides: [] });
if (!config) throw new Error('expected the smallest config to be whole');
const { guards } = config;

describe('a change of the schedule', () => {
  it.each<[string, ControlChange, Control, Control['schedule']]>([
    ['freeze where it stands', freeze(null), scheduled(2), { shift: 2, frozenAt: 5 }],
    ['freeze where it stands, past the end', freeze(null), scheduled(50), { shift: 50, frozenAt: 9 }],
    ['leave a frozen one', freeze(null), scheduled(2, 7), { shift: 2, frozenAt: 7 }],
    ['freeze at a position', freeze(0), scheduled(2, 7), { shift: 2, frozenAt: 0 }],
    ['go on where it would be', unfreeze, scheduled(2, 7), { shift: 2, frozenAt: null }],
    ['advance', moveSchedule(2), scheduled(1), { shift: 3, frozenAt: null }],
    ['rewind', moveSchedule(-3), scheduled(0), { shift: -3, frozenAt: null }],
    ['rewind from the end, not from beyond', moveSchedule(-1), scheduled(50), { shift: 5, frozenAt: null }],
    ['move a frozen one', moveSchedule(-1), scheduled(2, 7), { shift: 2, frozenAt: 6 }],
  ])('should %s', (_, change, wanted, schedule) => {
    expect(change(wanted, place)).toEqual({ ...wanted, schedule });
  });

  it.each<[string, ControlChange, string]>([
    ['freeze: expected a position of the schedule, 0 to 9, got 10', freeze(10), ''],
    ['freeze: expected a position of the schedule, 0 to 9, got 1.5', freeze(1.5), ''],
    ['advance: expected a position of the schedule, 0 to 9, got 10', moveSchedule(7), ''],
    ['rewind: expected a position of the schedule, 0 to 9, got -1', moveSchedule(-4), ''],
  ])('should be refused: %s', async (words, change) => {
    expect(await faultOf(() => change(scheduled(0), place))).toEqual([
      'TRIB_USAGE',
      `control ${words}. Nothing was changed; correct the command.`,
    ]);
  });
});

describe('any other change', () => {
  it('should change one thing and leave the others', () => {
    const all = [
      freeze(1),
      scaleLearningRate(0.5),
      changeGuard(guards, 'ratioDrift', { threshold: 0.2 }),
      changeGuard(guards, 'ratioDrift', { action: 'stop' }),
      changeGuard(guards, 'rewardCollapse', { action: 'off' }),
      replacePrompts(listed('a')),
    ].reduce<Control>((wanted, change) => change(wanted, place), { ...UNCONTROLLED, version: 4 });
    expect(all).toEqual({
      version: 4,
      learningRateScale: 0.5,
      guards: { ratioDrift: { threshold: 0.2, action: 'stop' }, rewardCollapse: { action: 'off' } },
      schedule: { shift: 0, frozenAt: 1 },
      prompts: listed('a'),
    });
    expect(reset(all, place)).toEqual(UNCONTROLLED);
  });

  it.each<[string, ControlChange]>([
    ['learning-rate-scale: expected a number above 0, got 0.', scaleLearningRate(0)],
    ['learning-rate-scale: expected a number above 0, got -1.', scaleLearningRate(-1)],
    ['learning-rate-scale: expected a number above 0, got NaN.', scaleLearningRate(Number.NaN)],
    ['learning-rate-scale: expected a number above 0, got Infinity.', scaleLearningRate(Infinity)],
    ['prompts: expected at least one prompt, got none.', replacePrompts([])],
    ['guard: expected one of rewardCollapse, ratioDrift,', changeGuard(guards, 'drift', { threshold: 1 })],
    [
      'guard ratioDrift: expected --threshold or --action, got neither.',
      changeGuard(guards, 'ratioDrift', {}),
    ],
    [
      'guard ratioDrift threshold: expected a number of at least 0, got -1.',
      changeGuard(guards, 'ratioDrift', { threshold: -1 }),
    ],
    [
      'guard ratioDrift action: expected one of off, warn, lower-learning-rate, stop, got "shout".',
      changeGuard(guards, 'ratioDrift', { action: 'shout' }),
    ],
    [
      'guard klToPretrained: expected one whose figure this run measures (rewardCollapse, ratioDrift,',
      changeGuard(guards, 'klToPretrained', { action: 'warn' }),
    ],
  ])('should be refused: %s', async (words, change) => {
    const [code, message] = await faultOf(() => change(UNCONTROLLED, place));
    expect(code).toBe('TRIB_USAGE');
    expect(message).toContain(`control ${words}`);
  });

  it('should change a guard that is measured although the config has it off elsewhere', () => {
    const measured = { ...guards, klToPretrained: { threshold: 1, action: 'warn' as const } };
    const change = changeGuard(measured, 'klToPretrained', { threshold: 2 });
    expect(change(UNCONTROLLED, place).guards).toEqual({ klToPretrained: { threshold: 2 } });
  });
});
