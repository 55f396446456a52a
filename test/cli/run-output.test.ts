import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { logOutput, type RunOutput, terminalOutput } from '../../src/cli/run-output.js';
import type { RunEvent } from '../../src/streams/run-events.js';
import { evaluation, stageMetrics } from '../streams/example-metrics.js';

const EVENTS: readonly RunEvent[] = [
  { kind: 'started', description: [['seed', '7']] },
  {
    kind: 'provider',
    stage: 'sampler',
    provider: 'cpu',
    fallbacks: ['provider webgpu is not there: no adapter'],
  },
  { kind: 'evaluation', evaluation: evaluation(0) },
  { kind: 'stage', metrics: stageMetrics(0) },
  { kind: 'warning', message: 'something odd' },
  { kind: 'checkpoint', path: 'runs/x/checkpoints/1' },
  { kind: 'finished', base: evaluation(0), tuned: evaluation(1) },
];

const showAll = (output: RunOutput) => {
  for (const event of EVENTS) output.show(event);
  output.close();
};

describe('terminalOutput', () => {
  test('should print what is rare and keep silent about the rest', () => {
    let written = '';
    const terminal = { columns: 80, write: (text: string) => (written += text) };
    showAll(terminalOutput(terminal, () => 0));
    expect(written.split('\n')).toEqual([
      'seed                     7',
      'warning: sampler: provider webgpu is not there: no adapter',
      'sampler runs on          cpu',
      'base model               verified 40.0 % on training prompts, 40.0 % on held-out ones',
      'warning: something odd',
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
      [30, 'stage trained'],
      [40, 'something odd'],
      [30, 'checkpoint saved'],
      [30, 'run finished'],
    ]);
    expect(lines[4]).toMatchObject(stageMetrics(0));
  });
});
