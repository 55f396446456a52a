import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { logOutput, type RunOutput, textOutput } from '../../../src/cli/output/run-output.js';
import type { RunEvent } from '../../../src/streams/messages/run-events.js';
import { alarm, evaluation, roundMetrics } from '../../streams/example-metrics.js';

const EVENTS: readonly RunEvent[] = [
  { kind: 'started', description: [['seed', '7']] },
  {
    kind: 'provider',
    stage: 'sampler',
    provider: 'cpu',
    fallbacks: ['provider webgpu is not there: no adapter'],
  },
  { kind: 'evaluation', evaluation: evaluation(0) },
  { kind: 'round', metrics: roundMetrics(0) },
  { kind: 'alarm', alarm: alarm(1) },
  { kind: 'warning', message: 'something odd' },
  { kind: 'checkpoint', path: 'runs/x/checkpoints/1' },
  { kind: 'finished', base: evaluation(0), tuned: evaluation(1), best: evaluation(1), stoppedBy: null },
];

const showAll = (output: RunOutput) => {
  for (const event of EVENTS) output.show(event);
  output.close();
};

describe('textOutput, on a terminal', () => {
  test('should print what is rare and keep silent about the rest', () => {
    let written = '';
    const terminal = { isTTY: true, columns: 80, write: (text: string) => (written += text) };
    showAll(textOutput(terminal, () => 0));
    expect(written.split('\n')).toEqual([
      'seed                     7',
      'warning: sampler: provider webgpu is not there: no adapter',
      'sampler runs on          cpu',
      'base model               verified 40.0 % on training prompts, 40.0 % on held-out ones',
      'round 1                  trained · reward 0.250 · verified 50.0 %',
      'alarm: guard ratioDrift after 1 rounds: as in a test',
      'warning: something odd',
      'best policy              after 1 round: reward 0.300 on held-out prompts, kept in best/',
      '',
    ]);
  });

  test('should say that a guard stopped the run, and which policy it ends with', () => {
    let written = '';
    const terminal = { isTTY: true, columns: 80, write: (text: string) => (written += text) };
    const base = evaluation(0, { heldOut: { rewardMean: -0.25 } });
    const stoppedBy = alarm(3, { action: 'stop' });
    textOutput(terminal, () => 0).show({ kind: 'finished', base, tuned: base, best: base, stoppedBy });
    expect(written.split('\n')).toEqual([
      'best policy              base model: reward −0.250 on held-out prompts, kept in best/',
      'stopped by a guard       ratioDrift, after 3 rounds; the adapter is the best policy',
      '',
    ]);
  });
});

describe('textOutput, on a file or a pipe', () => {
  const written = (events: readonly RunEvent[]) => {
    let text = '';
    const output = textOutput({ columns: 80, write: (part: string) => (text += part) }, () => 0);
    for (const event of events) output.show(event);
    output.close();
    return text.split('\n');
  };
  const progress = {
    kind: 'progress',
    round: 0,
    numRounds: 4,
    trainedSteps: [8, 9],
    groupsPerRound: 8,
  } as const;

  test('should write a plain line a round beside what is rare, without controls of a terminal', () => {
    const events: RunEvent[] = [
      { kind: 'warning', message: 'something \u001b[31modd' },
      { ...progress, groupsSampled: 4 },
      { ...progress, groupsSampled: 8 },
      { kind: 'worked', role: 'sampler', round: 0, groups: 8, idleShare: 0.25 },
      { kind: 'round', metrics: roundMetrics(0, { rewardMean: 0.4, verifiedAlignment: 0.438 }) },
      { kind: 'checkpoint', path: 'runs/x/checkpoints/1' },
    ];
    expect(written(events)).toEqual([
      'warning: something \\u001b[31modd',
      'round 1/4 · steps 8–9 · reward 0.400 · verified 43.8 % · 0 s left',
      '',
    ]);
  });

  test('should write a line a round where the samplers are other processes', () => {
    const metrics = roundMetrics(2, { rewardMean: 0.4, verifiedAlignment: null });
    expect(written([{ kind: 'round', metrics }])).toEqual([
      'round 3                  trained · reward 0.400',
      '',
    ]);
  });

  test('should say once, after the first round, why all ratios are 1', () => {
    const events: RunEvent[] = [
      {
        kind: 'started',
        description: [
          ['seed', '7'],
          ['ratios', 'all 1, as ...'],
        ],
      },
      { ...progress, groupsSampled: 8 },
      { kind: 'round', metrics: roundMetrics(0) },
      { kind: 'round', metrics: roundMetrics(1) },
    ];
    expect(written(events)).toEqual([
      'seed                     7',
      expect.stringContaining('round 1/4'),
      'ratios                   all 1, as ...',
      expect.stringContaining('round 1/4'),
      '',
    ]);
  });

  test('should say what operators kept from a round, and that a round without groups was not trained', () => {
    const counts = { kind: 'operated', stage: 'odd', passed: 0, dropped: 1, failed: 3 } as const;
    const metrics = roundMetrics(2, { groups: 0, rewardMean: null, verifiedAlignment: null });
    expect(
      written([counts, { ...counts, passed: 4, dropped: 0, failed: 0 }, { kind: 'round', metrics }]),
    ).toEqual([
      'operator odd             passed 0, dropped 1, made 3 dead letters',
      'round 3                  not trained, as no group has rewards',
      '',
    ]);
  });

  test('should say what a worker did for a round', () => {
    const events: RunEvent[] = [
      { kind: 'joined', roles: ['sampler'], round: 2 },
      { kind: 'worked', role: 'sampler', round: 2, groups: 8, idleShare: 0.25 },
    ];
    expect(written(events)).toEqual([
      'roles                    sampler, from round 2',
      'round 3                  sampler: 8 groups, idle 25.0 % of the time',
      '',
    ]);
  });
});

describe('logOutput', () => {
  test('should write a JSON line an event, warnings at their level', () => {
    const lines: { level: number; msg: string }[] = [];
    showAll(logOutput(pino({ base: null }, { write: (line) => lines.push(JSON.parse(line)) })));
    expect(lines.map(({ level, msg }) => [level, msg])).toEqual([
      [30, 'run started'],
      [40, 'provider webgpu is not there: no adapter'],
      [30, 'graph ready'],
      [30, 'policy evaluated'],
      [30, 'round trained'],
      [40, 'guard ratioDrift after 1 rounds: as in a test'],
      [40, 'something odd'],
      [30, 'checkpoint saved'],
      [30, 'run finished'],
    ]);
    expect(lines[4]).toMatchObject(roundMetrics(0));
    const { message: _, ...figures } = alarm(1);
    expect(lines[5]).toMatchObject(figures);
    expect(lines.at(-1)).toMatchObject({ best: 1, stoppedBy: null });
  });
});
