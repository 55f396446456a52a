import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { counterRandom } from '../../../src/models/random/counter-random.js';
import type { Trajectory } from '../../../src/models/rollouts/sampler.js';
import { elementCount } from '../../../src/models/tensor.js';
import { trainOnPairs } from '../../../src/streams/run/train-on-pairs.js';
import { trajectoriesCodec } from '../../../src/streams/transport/wire/rollout-codecs.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { TINY_IMAGE } from '../../fixtures/tiny-pipeline.js';
import { tinyConfig } from '../../fixtures/tiny-run.js';

const NUM_STEPS = 4;
const LATENT = elementCount(TINY_IMAGE);
const DPO = '{ type: diffusion-dpo, preferenceBeta: 10 }';

/** Two branches that part at step 2, with noise of their own. */
function branchesOf(group: number): Trajectory[] {
  return [0, 1].map((branch) => ({
    firstStep: 2,
    latents: counterRandom({ seed: 5, purpose: 'forward-noise', group, branch }).normal(3 * LATENT),
    logProbs: Float32Array.of(-1, -1),
  }));
}

async function writeGroup(folder: string, id: string, group: number, numSteps = NUM_STEPS): Promise<void> {
  const bytes = trajectoriesCodec.encode({
    ...{ groupId: id, groupIndex: group, round: 0, prompt: 'a red circle', policyVersion: 0 },
    interval: { round: 0, firstStep: 2, numSteps, trainedSteps: [2, 3] },
    tree: { firstStep: 2, widths: [1, 2, 2] },
    branches: branchesOf(group),
  });
  await mkdir(join(folder, 'groups', id), { recursive: true });
  await writeFile(join(folder, 'groups', id, 'trajectories.bin'), bytes);
}

const pair = (groupId: string, chosen = 0) => JSON.stringify({ groupId, chosen, rejected: 1 - chosen });

/** A gateway's folder: three groups with a pair each. */
async function gatewayFolder(lines = ['g0', 'g1', 'g2'].map((id) => pair(id))): Promise<string> {
  const folder = await temporaryFolder();
  for (const index of [0, 1, 2]) await writeGroup(folder, `g${index}`, index);
  await writeFile(join(folder, 'pairs.jsonl'), `${lines.join('\n')}\n`);
  return folder;
}

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tributary-pairs-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function train(folder: string, overrides: readonly string[] = []) {
  const config = await tinyConfig(root, {
    overrides: [
      `stages.trainer.surrogate=${DPO}`,
      'stages.sampler.guidanceScale=1',
      'stages.prompts.groupsPerRound=2',
      'stages.prompts.runAhead=2',
      ...overrides,
    ],
  });
  const warnings: string[] = [];
  const rounds: number[] = [];
  const adapter = await trainOnPairs({
    ...{ config, folder, say: () => {} },
    warn: (message) => warnings.push(message),
    onRound: (round, _, { optimizerSteps }) => rounds.push(round, optimizerSteps),
  });
  return { adapter, warnings, rounds };
}

describe('trainOnPairs', () => {
  it('should train on all pairs, to the same bytes for the same choices and to others for others', async () => {
    const folder = await gatewayFolder();
    const first = await train(folder);
    // Three rounds of two pairs; an update holds one pair, as three samples hold no more.
    expect(first.rounds).toEqual([0, 2, 1, 2, 2, 2]);
    expect(first.warnings).toEqual([]);
    expect((await train(folder)).adapter).toEqual(first.adapter);
    const opposite = await gatewayFolder(['g0', 'g1', 'g2'].map((id) => pair(id, 1)));
    expect((await train(opposite)).adapter).not.toEqual(first.adapter);
  });

  it('should train by the steps of both pictures, too, and pass over what is damaged or pruned', async () => {
    const folder = await gatewayFolder([pair('g0'), '{"groupId"', pair('g1'), pair('../g1'), pair('gone')]);
    await writeFile(join(folder, 'groups', 'g1', 'trajectories.bin'), 'cut short');
    const { warnings, rounds } = await train(folder, ['stages.trainer.surrogate={ type: d3po }']);
    // One of the two pairs of each round is left.
    expect(rounds).toEqual([0, 1, 1, 1, 2, 1]);
    expect(warnings[0]).toMatch(
      /pairs\.jsonl: expected a pair of a group that is there .* got 3 that are none/,
    );
    expect(warnings[1]).toMatch(/g1\/trajectories\.bin: expected the trajectories of a group/);
  });

  it.each([
    [
      'a surrogate of single pictures',
      ['stages.trainer.surrogate={ type: sft }'],
      /surrogate: expected one that compares pairs, got sft/,
    ],
    [
      'another number of sampler steps',
      ['stages.sampler.numInferenceSteps=5'],
      /expected groups of 5 sampler steps, got one of 4/,
    ],
  ])('should refuse %s', async (_, overrides, message) => {
    await expect(train(await gatewayFolder(), overrides)).rejects.toThrow(message);
  });

  it('should refuse a folder without pairs, and one whose groups are gone', async () => {
    await expect(train(await temporaryFolder())).rejects.toThrow(/expected preference pairs, got ENOENT/);
    await expect(train(await gatewayFolder(['{}']))).rejects.toThrow(
      /got 1 lines without one of a group that is there/,
    );
    const folder = await gatewayFolder();
    await rm(join(folder, 'groups'), { recursive: true });
    await expect(train(folder)).rejects.toThrow(/got 3 lines without one of a group that is there/);
  });
});
