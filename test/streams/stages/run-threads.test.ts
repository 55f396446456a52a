import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { NamedArrays } from '../../../src/models/optimizers/adamw.js';
import { type SamplerClient, startSampler } from '../../../src/streams/stages/sampler/client.js';
import type { ProbedPolicy } from '../../../src/streams/stages/sampler/sampler-thread.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { tinyConfig } from '../../fixtures/tiny-run.js';

/** One for all tests, whatever policy the one before has left in it. */
let sampler: SamplerClient;
beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tributary-threads-'));
  sampler = await startSampler(await tinyConfig(folder), () => {});
  return async () => {
    await sampler.close();
    await rm(folder, { recursive: true });
  };
});

const movedFrom = (parameters: NamedArrays): NamedArrays =>
  Object.fromEntries(
    Object.entries(parameters).map(([name, values]) => [name, values.map((value) => value + 0.5)]),
  );

describe('startSampler', () => {
  it('should warn once of what the pipeline of the model corrects', async () => {
    const config = await tinyConfig(await temporaryFolder());
    const { pipeline } = config.model;
    const change = async (name: string, changes: object) => {
      const path = join(pipeline, name);
      await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), ...changes }));
    };
    await change('model_index.json', { _class_name: 'StableDiffusionPipeline' });
    await change('scheduler/scheduler_config.json', { steps_offset: 0 });
    const warnings: string[] = [];
    const corrected = await startSampler(config, (event) => {
      if (event.kind === 'warning') warnings.push(event.message);
    });
    onTestFinished(() => corrected.close());
    expect(warnings).toEqual([
      expect.stringMatching(/steps_offset: 0 is read as 1, as StableDiffusionPipeline/),
    ]);
  });
});

describe('SamplerClient.withPolicy', () => {
  it('should keep a policy until the work by it is done', async () => {
    const policy = (version: number) => ({ version, parameters: sampler.baseParameters });
    const order: string[] = [];
    const evaluation = sampler.withPolicy(policy(1), async () => {
      order.push('evaluation begins');
      await setImmediate();
      order.push('evaluation ends');
    });
    const rollout = sampler.withPolicy(policy(0), async () => order.push('rollout'));
    await Promise.all([evaluation, rollout]);
    expect(order).toEqual(['evaluation begins', 'evaluation ends', 'rollout']);
  });

  it('should do urgent work before all that waits, and not in the middle of any', async () => {
    const policy = { version: 0, parameters: sampler.baseParameters };
    const order: string[] = [];
    const work = (name: string, isUrgent: boolean) =>
      sampler.withPolicy(
        policy,
        async () => {
          order.push(name);
          await setImmediate();
          order.push(name);
        },
        { isUrgent },
      );
    await Promise.all([work('a', false), work('b', false), work('c', true), work('d', true)]);
    expect(order).toEqual(['a', 'a', 'c', 'c', 'd', 'd', 'b', 'b']);
  });

  it('should go on after work that failed, and hand its fault to its caller alone', async () => {
    const policy = { version: 0, parameters: sampler.baseParameters };
    const failing = sampler.withPolicy(policy, async () => {
      throw new Error('no');
    });
    const next = sampler.withPolicy(policy, async () => 'next');
    await expect(failing).rejects.toThrow('no');
    expect(await next).toBe('next');
  });

  it('should send a policy that has the version of another one', async () => {
    const { baseParameters } = sampler;
    const moved = movedFrom(baseParameters);
    const requests = [{ groupIndex: 0, prompt: 'a red circle' }];
    const pictureOf = (parameters: typeof baseParameters) =>
      sampler.withPolicy({ version: 4, parameters }, (call) => call.samplePictures({ requests }));
    const before = await pictureOf(baseParameters);
    const other = await pictureOf(moved);
    const another = await pictureOf({ ...baseParameters });
    expect(other).not.toEqual(before);
    expect(another).toEqual(before);
  });
});

describe('the probe of a sampler', () => {
  it('should say how far its pictures are from those of the last reference', async () => {
    const { baseParameters } = sampler;
    const request = { requests: [{ groupIndex: 0, prompt: 'a red circle' }], trainedSteps: [2, 3] };
    const probe = (parameters: NamedArrays, isReference: boolean) =>
      sampler.withPolicy({ version: 0, parameters }, (call) => call.probe({ ...request, isReference }));
    const pictureOf = ({ groups }: ProbedPolicy) => groups[0]?.branches[0]?.image ?? new Float32Array();
    const base = await probe(baseParameters, true);
    const moved = await probe(movedFrom(baseParameters), false);
    const squares = pictureOf(moved).map((value, pixel) => (value - (pictureOf(base)[pixel] ?? 0)) ** 2);
    const mean = squares.reduce((sum, square) => sum + square, 0) / squares.length;
    expect(mean).toBeGreaterThan(0);
    expect(moved.outputChange).toBeCloseTo(Math.sqrt(mean), 6);
    expect([base.outputChange, (await probe(baseParameters, false)).outputChange]).toEqual([0, 0]);
  });
});
