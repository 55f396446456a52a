/** @file Alert rules and dashboard: they name metrics that there are, and Prometheus' own tool reads the rules and a scrape. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { METRICS } from '../../../src/streams/telemetry/metric-table.js';
import { openMeter } from '../../../src/streams/telemetry/open-meter.js';
import { undisturbedTiny } from '../../fixtures/undisturbed-tiny.js';

const RULES = 'deploy/prometheus/tributary-rules.yaml';
const DASHBOARD = 'deploy/grafana/tributary.json';
const PROMTOOL = process.env.PROMTOOL || 'promtool';
const hasPromtool = spawnSync(PROMTOOL, ['--version']).status === 0;
const isNeeded = process.env.PROMTOOL_TESTS === 'required';
if (!hasPromtool && !isNeeded)
  console.log('skipped: no promtool (Debian: apt-get install prometheus; PROMTOOL names one elsewhere)');

const promtool = (args: readonly string[], input?: string) => {
  const { status, stdout, stderr } = spawnSync(PROMTOOL, ['check', ...args], { input, encoding: 'utf8' });
  return { status, said: `${stdout ?? ''}${stderr ?? ''}` };
};

/** Names and labels of all metrics as Prometheus has them. */
async function exported(): Promise<string> {
  const { run, observations } = await undisturbedTiny();
  const lag = async () => [{ topic: 'prompts', consumerGroup: 'samplers', messages: 1 }];
  const meter = await openMeter({ about: { 'service.name': 'tributary' }, lag });
  for (const event of [...run.events, ...observations]) meter.note(event);
  return meter.text();
}

it.each([RULES, DASHBOARD])('should name metrics that there are in %s', (file) => {
  const known = METRICS.map(({ name, kind }) => (kind === 'counter' ? `${name}_total` : name));
  const named = new Set(readFileSync(file, 'utf8').match(/\b(tributary|process)_\w+/g));
  expect(named.size).toBeGreaterThan(15);
  const observable = ['tributary_unanswered_messages', 'process_resident_memory_bytes'];
  expect([...named].filter((name) => ![...known, ...observable].includes(name))).toEqual([]);
});

it.skipIf(!hasPromtool && !isNeeded)('should have rules that Prometheus reads', () => {
  expect(promtool(['rules', RULES])).toMatchObject({ status: 0, said: expect.stringContaining('SUCCESS') });
});

it.skipIf(!hasPromtool && !isNeeded)('should write figures as Prometheus reads and wants them', async () => {
  expect(promtool(['metrics'], await exported())).toEqual({ status: 0, said: '' });
});
