/** @file A run that goes on from the adapter of another. */

import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/streams/run-events.js';
import { temporaryFolder } from '../fixtures/temporary-folder.js';
import { type EndedRun, eventsOf, runTiny, tinyConfig } from '../fixtures/tiny-run.js';

const SETTINGS = [
  'guards.rewardCollapse.action=off',
  'guards.klToPretrained={threshold: 1e6, action: warn}',
  'stages.prompts.numStages=1',
  'stages.schedule={type: intervalSchedule, mode: constant, steps: 3}',
];
const finished = ({ events }: EndedRun) =>
  events.find((event) => event.kind === 'finished') as Extract<RunEvent, { kind: 'finished' }>;
const firstKl = (run: EndedRun) => eventsOf(run, 'stage')[0]?.metrics.klToPretrained ?? Number.NaN;

describe('model.startFrom', () => {
  it('should start where the other run ended, with the pretrained model as reference', async () => {
    const folder = await temporaryFolder();
    const config = await tinyConfig(folder, { overrides: SETTINGS });
    const first = await runTiny({ config, path: join(folder, 'first') });
    const adapter = join(folder, 'first', 'pytorch_lora_weights.safetensors');
    const model = { ...config.model, startFrom: adapter };
    const second = await runTiny({ config: { ...config, model }, path: join(folder, 'second') });
    expect(second.error).toBeUndefined();
    expect(finished(second).base.train).toEqual(finished(first).tuned.train);
    // Every stage trains from the policy that it sampled: the pretrained model, and the adapter of the first run.
    expect(firstKl(first)).toBeGreaterThanOrEqual(0);
    expect(firstKl(second)).toBeGreaterThan(2 * firstKl(first));
  });

  it.each([
    [
      { rank: 3 },
      'expected rank 3 and alpha 2 as model.lora says, got rank 2 and alpha 2. Set model.lora to rank 2 and alpha 2.',
    ],
    [{ pattern: 'attn1/to_(q|k)' }, 'expected weights for the layers that model.lora.pattern names, got "'],
  ])('should refuse an adapter of another kind: %j', async (lora, message) => {
    const folder = await temporaryFolder();
    const config = await tinyConfig(folder, { overrides: SETTINGS });
    await runTiny({ config, path: join(folder, 'first') });
    const adapter = join(folder, 'first', 'pytorch_lora_weights.safetensors');
    const model = { ...config.model, lora: { ...config.model.lora, ...lora }, startFrom: adapter };
    const { error } = await runTiny({ config: { ...config, model }, path: join(folder, 'second') });
    expect((error as Error).message).toContain(message);
    expect((error as Error).message).toContain(adapter);
  });
});
