/** @file Runs whose reward, policy or files are at fault. */

import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { TributaryError } from '../../../src/errors.js';
import { decodeLoraFile } from '../../../src/models/adapters/lora-file.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { adapterOf, eventsOf, kindsOf, runTiny, TINY_STAGES, tinyConfig } from '../../fixtures/tiny-run.js';

/** What it evaluates does not matter here. */
const CHEAP = ['evaluation.verifier=none', 'evaluation.imagesPerPrompt=1'];

const OPERATORS = join(import.meta.dirname, '../../fixtures/operators');

const codeOf = (error: unknown) => (error as TributaryError | undefined)?.code;

describe('a reward that is not finite', () => {
  it('should be dead-lettered, counted and never trained on, while the run goes on', async () => {
    const own = await temporaryFolder();
    const nan = await tinyConfig(own, { reward: 'nan-on-bright', overrides: CHEAP });
    const path = join(own, 'run');
    const run = await runTiny({ config: nan, path });
    expect(run.error).toBeUndefined();
    const rounds = eventsOf(run, 'round').map(({ metrics }) => metrics);
    expect(rounds).toHaveLength(TINY_STAGES);
    const lost = rounds.reduce((sum, { lostGroups }) => sum + lostGroups, 0);
    expect(lost).toBeGreaterThan(0);
    for (const { groups, lostGroups, deadLetters, selectedSamples, rewardMean } of rounds) {
      expect(groups + lostGroups).toBe(4);
      expect(deadLetters).toBe(lostGroups);
      expect(selectedSamples).toBe(2 * groups);
      expect(Number.isFinite(rewardMean)).toBe(true);
    }
    expect(run.warnings).toHaveLength(lost);
    for (const warning of run.warnings)
      expect(warning).toMatch(
        /^group \d-\d is not trained on \(dead-letter\): reward of group \d-\d: expected a finite reward for branch \d, got NaN\. Check the reward model on this prompt\.$/,
      );
    const layers = decodeLoraFile(await adapterOf(path), 'adapter');
    expect(layers.every(({ loraA, loraB }) => [...loraA, ...loraB].every(Number.isFinite))).toBe(true);
    expect(await readFile(join(path, 'metrics.jsonl'), 'utf8')).not.toContain('"rewardMean":null');
  });
});

describe('a run that fails', () => {
  it('should end with one coded error where a policy has diverged, and leave its last checkpoint loadable', async () => {
    const own = await temporaryFolder();
    const wild = await tinyConfig(own, { overrides: [...CHEAP, 'model.lora.alpha=1e30'] });
    const path = join(own, 'run');
    const run = await runTiny({ config: wild, path });
    expect(codeOf(run.error)).toMatch(/^TRIB_(REWARD|ENGINE)$/);
    expect((run.error as Error).message).toContain('smaller learningRate');
    const again = await runTiny({ config: wild, path, resume: true });
    expect([codeOf(again.error), (again.error as Error).message]).toEqual([
      codeOf(run.error),
      (run.error as Error).message,
    ]);
  });

  it('should end where operators leave nothing of a round, and a resume should go on behind it', async () => {
    const own = await temporaryFolder();
    const config = await tinyConfig(own, {
      overrides: [
        ...CHEAP,
        // Rewards of the groups are there before it.
        `stages.odd={type: operator, module: ${OPERATORS}/twice.mjs, options: { round: 0 }, reads: trajectories, writes: once}`,
        'stages.advantages.reads={trajectories: once}',
        `stages.few={type: operator, module: ${OPERATORS}/without.mjs, options: { round: 1 }, reads: prompts, writes: some}`,
        'stages.sampler.reads={prompts: some}',
      ],
    });
    const path = join(own, 'run');
    const failed =
      'operator odd: expected one message for one, got 2. Emit each message once, or `null` to drop it.';
    for (const [round, said] of [
      [0, `"odd" made 4 dead letters ("${failed}"). Correct the operator`],
      [1, '"few" dropped 4. Let some pass'],
    ] as const) {
      const run = await runTiny({ config, path, resume: round > 0 });
      expect([codeOf(run.error), (run.error as Error).message]).toEqual([
        'TRIB_REWARD',
        `round ${round}: expected a group with rewards, got none of 4: the operator stage ${said}, then resume: the run goes on with round ${round + 1}.`,
      ]);
      expect(eventsOf(run, 'round').map(({ metrics }) => metrics.round)).toEqual([round]);
    }
    const whole = await runTiny({ config, path, resume: true });
    expect(whole.error).toBeUndefined();
    expect(eventsOf(whole, 'round').map(({ metrics }) => [metrics.round, metrics.groups])).toEqual([[2, 4]]);
  });

  it('should say which file is not there, before anything is trained', async () => {
    const own = await temporaryFolder();
    const lacking = await tinyConfig(own);
    await rm(join(own, 'pipeline', 'reward', 'text_model.onnx'));
    const run = await runTiny({ config: lacking, path: join(own, 'run') });
    expect([codeOf(run.error), (run.error as Error).message]).toEqual([
      'TRIB_FILE',
      `${join(own, 'pipeline', 'reward', 'text_model.onnx')}: expected a model file, got ENOENT. Export the pipeline again, or correct model.pipeline.`,
    ]);
    expect(kindsOf(run)).toEqual(['started', 'prompts', 'provider']);
  });
});
