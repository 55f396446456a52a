/** @file What operators read of a process, compared with the log of a run. */

import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { openTelemetry, type Telemetry } from '../../../src/api/telemetry/open-telemetry.js';
import type { RoundMetrics, RunEvent } from '../../../src/streams/messages/run-events.js';
import { readMetrics } from '../../fixtures/metrics-text.js';
import { undisturbedTiny } from '../../fixtures/undisturbed-tiny.js';

const HERE = { host: '127.0.0.1', port: 0 };

async function opened(http = HERE): Promise<Telemetry> {
  const telemetry = await openTelemetry({ name: 'tiny', telemetry: { http, traces: false } }, [
    'trainer',
    'sampler',
  ]);
  if (!telemetry) return expect.fail('expected telemetry, got none');
  onTestFinished(() => telemetry.close());
  return telemetry;
}

const answerOf = async ({ url }: Telemetry, path: string) => {
  const answer = await fetch(`${url}${path}`);
  return { status: answer.status, text: await answer.text() };
};

/** A round of which only what a test looks at matters. */
const roundOf = (metrics: Partial<RoundMetrics>): RunEvent => ({
  kind: 'round',
  metrics: { ages: [], ...metrics } as RoundMetrics,
});

it('should show the figures that metrics.jsonl has at the end of a run', async () => {
  const { path, run, observations } = await undisturbedTiny();
  const telemetry = await opened();
  for (const event of run.events) telemetry.note(event);
  for (const observation of observations) telemetry.observe(observation);
  const figures = readMetrics((await answerOf(telemetry, '/metrics')).text);
  const lines = (await readFile(join(path, 'metrics.jsonl'), 'utf8')).trim().split('\n');
  const logged = lines.map((line) => JSON.parse(line));
  const rounds: RoundMetrics[] = logged.filter(({ kind }) => kind === 'round');
  const evaluations = logged.filter(({ kind }) => kind === 'evaluation');
  const last = rounds.at(-1) ?? expect.fail('expected rounds, got none');
  const sum = (figure: (round: RoundMetrics) => number) => rounds.map(figure).reduce((a, b) => a + b, 0);
  expect(Object.fromEntries(figures)).toMatchObject({
    tributary_rounds_total: rounds.length,
    'tributary_groups_total{state="trained"}': sum(({ groups }) => groups),
    'tributary_groups_total{state="lost"}': sum(({ lostGroups }) => lostGroups),
    'tributary_groups_total{state="late"}': sum(({ lateGroups }) => lateGroups),
    'tributary_trained_groups_total{age="0"}': sum(({ ages }) => ages[0] ?? 0),
    tributary_stale_groups_total: 0,
    'tributary_network_rows_total{pass="training"}': sum(({ networkRows }) => networkRows?.training ?? 0),
    tributary_scored_images: last.rewardQueries,
    tributary_policy_version: last.policyVersion,
    tributary_reward_mean: last.rewardMean,
    tributary_reward_std: last.rewardStd,
    tributary_verified_alignment_ratio: last.verifiedAlignment,
    tributary_policy_loss: last.policyLoss,
    tributary_gradient_norm: last.gradNorm,
    tributary_ratio_deviation_max: last.maxRatioDeviation,
    tributary_trainer_idle_ratio: last.trainerIdleShare,
    tributary_elapsed_seconds: last.elapsedSeconds,
    tributary_event_loop_delay_p99_seconds: last.eventLoopDelayP99Ms / 1000,
    tributary_peak_resident_memory_bytes: last.peakRssBytes,
    'tributary_evaluation_reward_mean{prompts="held_out"}': evaluations.at(-1).heldOut.rewardMean,
    tributary_evaluation_seconds_total: expect.closeTo(
      evaluations.reduce((total, { seconds }) => total + seconds, 0),
      6,
    ),
    tributary_checkpoints_total: 3,
    tributary_round: 2,
  });
  for (const part of ['sampler', 'reward', 'trainer'])
    expect(figures.get(`tributary_busy_seconds_total{part="${part}"}`)).toBeGreaterThan(0);
  expect([...figures.keys()].filter((name) => name.includes('dead_letters'))).toEqual([]);
});

it('should count what was given up on by its reason, alarms by guard, and show that a figure is gone', async () => {
  const telemetry = await opened();
  const letter = { kind: 'dead-letter', origin: 'rewards', stage: 'trainer', reason: 'refused' } as const;
  telemetry.observe(letter);
  telemetry.observe(letter);
  telemetry.observe({ kind: 'carried', topic: 'images', direction: 'read', payload: 'claim', bytes: 7 });
  telemetry.note(roundOf({ rewardMean: 1, rewardParts: { text: { groups: 2, mean: 0.5, std: 0.1 } } }));
  telemetry.note(
    roundOf({
      rewardMean: null,
      promotion: { isPromoted: false, outputChange: 0, logProbDifference: 0.2, rewardMean: 0 },
    }),
  );
  const alarm = { guard: 'promotion', action: 'roll-back', value: 1, threshold: 0, round: 1, message: '' };
  telemetry.note({ kind: 'alarm', alarm: alarm as Extract<RunEvent, { kind: 'alarm' }>['alarm'] });
  const { text } = await answerOf(telemetry, '/metrics');
  expect(Object.fromEntries(readMetrics(text))).toMatchObject({
    'tributary_dead_letters_total{topic="rewards",stage="trainer",reason="refused"}': 2,
    'tributary_message_bytes_total{topic="images",direction="read",payload="claim"}': 7,
    'tributary_reward_part_mean{part="text"}': 0.5,
    tributary_reward_mean: Number.NaN,
    'tributary_gated_policies_total{verdict="rolled_back"}': 1,
    tributary_gate_log_prob_difference: 0.2,
    'tributary_alarms_total{guard="promotion",action="roll-back"}': 1,
  });
  expect(text).toContain('service_instance_id="tributary process');
});

it('should be ready once it is connected, its models are loaded, and it is as far as the run', async () => {
  const telemetry = await opened();
  const ready = async () => {
    const { status, text } = await answerOf(telemetry, '/ready');
    return { ...JSON.parse(text), code: status };
  };
  expect(await answerOf(telemetry, '/health')).toEqual({ status: 200, text: '{"status":"ok"}' });
  const nothing = { connected: false, loaded: false, caughtUp: false };
  expect(await ready()).toEqual({ code: 503, status: 'starting', ...nothing });
  const lag = vi.fn(async () => [{ topic: 'prompts', consumerGroup: 'samplers', messages: 5 }]);
  telemetry.observe({ kind: 'connected', lag });
  telemetry.observe({ kind: 'loaded' });
  let behind = 3;
  telemetry.observe({ kind: 'joined', behind: async () => behind });
  expect(await ready()).toMatchObject({ code: 503, connected: true, loaded: true, caughtUp: false });
  behind = 0;
  expect(await ready()).toMatchObject({ code: 200, status: 'ready', caughtUp: true });
  // Votes that come later are its daily work.
  behind = 3;
  expect(await ready()).toMatchObject({ code: 200 });
  const figures = readMetrics((await answerOf(telemetry, '/metrics')).text);
  expect(figures.get('tributary_unanswered_messages{topic="prompts",consumer_group="samplers"}')).toBe(5);
  lag.mockRejectedValue(new Error('no broker'));
  expect(await ready()).toMatchObject({ code: 503, connected: false });
  expect((await answerOf(telemetry, '/metrics')).status).toBe(200);
});

it('should say which setting names a port that is taken', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void taken.close());
  const { port } = taken.address() as AddressInfo;
  await expect(opened({ ...HERE, port })).rejects.toMatchObject({
    code: 'TRIB_USAGE',
    message: `telemetry endpoint: expected to listen on 127.0.0.1:${port}, got EADDRINUSE. Choose another telemetry.http.`,
  });
});

it('should give figures to whoever has the token, where there is one, and serve nothing unless asked', async () => {
  vi.stubEnv('TRIBUTARY_METRICS_TOKEN', 'secret');
  onTestFinished(() => void vi.unstubAllEnvs());
  const telemetry = await opened();
  expect((await answerOf(telemetry, '/metrics')).status).toBe(401);
  expect((await answerOf(telemetry, '/health')).status).toBe(200);
  const headers = { authorization: 'Bearer secret' };
  expect((await fetch(`${telemetry.url}/metrics`, { headers })).status).toBe(200);
  expect(await openTelemetry({ name: 'tiny' }, [])).toBeNull();
});
