/** @file The gate between trainer and samplers, when they are processes of their own. */

import { describe, expect, it } from 'vitest';
import type { PolicySnapshot } from '../../src/streams/messages/messages.js';
import { sendJson, startRewardServer } from '../fixtures/reward-server.js';
import { metricsOf } from '../fixtures/tiny-run.js';
import { SKIP_REASON } from './cluster.js';
import { partedRun } from './parted-run.js';

const PROBED_PROMPTS = 2;
const NUM_ROUNDS = 4;
const PATIENCE_MS = 600_000;

const textOf = ({ parameters }: PolicySnapshot) =>
  JSON.stringify(Object.keys(parameters).map((name) => [name, ...(parameters[name] ?? [])]));

describe.skipIf(SKIP_REASON !== null)('the promotion gate over Kafka', () => {
  it(
    'should keep a policy that fails from the samplers, raise the alarm, and go on',
    async () => {
      // Of a probe each picture is asked for alone. The first is that of the base model; the second policy fails.
      let numAsked = 0;
      const { url } = await startRewardServer(({ body }, response) => {
        if (body.images.length !== 1) return undefined;
        const probe = Math.floor(numAsked / PROBED_PROMPTS);
        const reward = probe === 2 ? -5 : numAsked % PROBED_PROMPTS;
        numAsked += 1;
        return sendJson(response, { rewards: [reward] });
      });
      const run = await partedRun([
        `stages.prompts.numRounds=${NUM_ROUNDS}`,
        `stages.reward={type: reward, from: http, url: '${url}', batchSize: 3, concurrency: 4}`,
        // One interval for all rounds: the base model is probed once.
        'stages.schedule.first=2',
        'stages.schedule.last=2',
        `promotion={action: roll-back, prompts: ${PROBED_PROMPTS}}`,
      ]);
      const parts = [run.start('trainer'), run.start('prompts,sampler,reward')];
      for (const part of parts) expect(await part.ended).toMatchObject({ code: 0, faults: [] });

      const policies = await run.policies();
      expect(policies.map(({ version }) => version)).toEqual([0, 1, 2, 3, 4]);
      const [zeroth, first, second, third, fourth] = policies.map(textOf);
      expect(second).toBe(first);
      expect(new Set([zeroth, first, third, fourth]).size).toBe(4);

      const rounds = await run.rounds();
      expect(rounds.map(({ promotion }) => promotion?.isPromoted)).toEqual([true, false, true, true]);
      expect(rounds.map(({ groups, lostGroups }) => [groups, lostGroups])).toEqual(Array(4).fill([4, 0]));
      // The samplers hold what the trainer went back to: another policy of that version would show in the ratios.
      expect(rounds[2]?.maxRatioDeviation).toBeLessThan(1e-4);
      const alarms = (await metricsOf(run.path)).filter(({ kind }) => kind === 'alarm');
      expect(alarms).toMatchObject([
        { guard: 'promotion', action: 'roll-back', round: 2, value: 11, threshold: 1 },
      ]);
    },
    PATIENCE_MS,
  );
});
