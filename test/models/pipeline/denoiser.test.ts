import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { timestepTensor } from '../../../src/models/networks/open-denoiser-graph.js';
import type { NamedArrays } from '../../../src/models/optimizers/adamw.js';
import { type Denoiser, openDenoiser } from '../../../src/models/pipeline/denoiser.js';
import { float32, int64 } from '../../../src/models/tensor.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { type OpenTiny, openTiny, randomAdapter, TINY_LORA } from '../../fixtures/open-tiny.js';
import { randomTensor } from '../../fixtures/run-model.js';

const ROWS = 2;

let tiny: OpenTiny;
let promptEmbeds: Float32Array;
let latents: Float32Array;
let older: NamedArrays;
let newer: NamedArrays;
let expected: Float32Array;

beforeAll(async () => {
  tiny = await openTiny();
  const { pipeline } = tiny;
  latents = randomTensor(1, [ROWS, ...pipeline.latentShape]).data;
  promptEmbeds = randomTensor(2, [ROWS, ...pipeline.embedsShape]).data;
  const denoiser = await open([ROWS]);
  older = randomAdapter(denoiser.adapters, 0.3, 1);
  newer = randomAdapter(denoiser.adapters, 0.3, 2);
  await denoiser.usePolicy(newer);
  expected = await predict(denoiser);
  await denoiser.usePolicy(older);
  expect(await predict(denoiser)).not.toEqual(expected);
});
afterAll(() => tiny.close());

const open = (rows: readonly number[]) => openDenoiser(tiny.engine, tiny.pipeline, { lora: TINY_LORA, rows });
const predict = (denoiser: Denoiser) => denoiser.predict(latents, 501, promptEmbeds);

describe('openDenoiser', () => {
  it('should compile other numbers of rows when they come, with the newest policy', async () => {
    const denoiser = await open([3]);
    await denoiser.usePolicy(older);
    await denoiser.usePolicy(newer);
    expect(await predict(denoiser)).toEqual(expected);
  });

  it('should change the policy of graphs that were compiled late', async () => {
    const denoiser = await open([3]);
    await denoiser.usePolicy(older);
    expect(await predict(denoiser)).not.toEqual(expected);
    await denoiser.usePolicy(newer);
    expect(await predict(denoiser)).toEqual(expected);
  });

  it('should draw without an adapter where no layer is there for one, and none is asked for', async () => {
    const lora = { ...TINY_LORA, pattern: 'no/such/layer', isOptional: true };
    const base = await openDenoiser(tiny.engine, tiny.pipeline, { lora, rows: [ROWS] });
    expect(base.adapters).toEqual([]);
    await base.usePolicy({});
    const zero = await open([ROWS]);
    await zero.usePolicy(randomAdapter(zero.adapters, 0, 1));
    const [found, wanted] = [await predict(base), await predict(zero)];
    expect(Math.max(...wanted.map((value, i) => Math.abs(value - (found[i] ?? Number.NaN))))).toBeLessThan(
      1e-4,
    );
  });

  it('should not let a policy that comes during a compilation get lost', async () => {
    const denoiser = await open([3]);
    await denoiser.usePolicy(older);
    const running = predict(denoiser);
    await denoiser.usePolicy(newer);
    await running;
    expect(await predict(denoiser)).toEqual(expected);
  });

  it('should split a batch into runs, and fill up the last one', async () => {
    const rows = 5;
    const batch = {
      latents: randomTensor(3, [rows, ...tiny.pipeline.latentShape]).data,
      embeds: randomTensor(4, [rows, ...tiny.pipeline.embedsShape]).data,
    };
    const numRuns: number[] = [];
    const compile: OpenTiny['engine']['compile'] = async (model, options) => {
      const executable = await tiny.engine.compile(model, options);
      const run: typeof executable.run = (feeds, runOptions) => {
        numRuns.push(feeds.sample?.shape[0] ?? 0);
        return executable.run(feeds, runOptions);
      };
      return { ...executable, run };
    };
    const engine = { ...tiny.engine, compile };
    const predictIn = async (chunkSize: number | undefined) => {
      const denoiser = await openDenoiser(engine, tiny.pipeline, {
        lora: TINY_LORA,
        rows: [rows],
        chunkSize,
      });
      await denoiser.usePolicy(newer);
      return denoiser.predict(batch.latents, 501, batch.embeds);
    };
    const [byTwo, byOne, whole] = [await predictIn(2), await predictIn(undefined), await predictIn(8)];
    expect(numRuns).toEqual([2, 2, 2, 1, 1, 1, 1, 1, 5]);
    for (const other of [byTwo, byOne])
      for (const [index, value] of whole.entries()) expect(other[index]).toBeCloseTo(value, 4);
  });

  it('should refuse to open for no rows, and a policy that is not that of the model', async () => {
    expect(await faultOf(() => open([]))).toEqual([
      'TRIB_INTERNAL',
      'denoiser: expected at least one number of rows, got none. Name the batch sizes.',
    ]);
    const denoiser = await open([1]);
    const { inputA } = denoiser.adapters[0] ?? { inputA: '' };
    expect(await faultOf(() => denoiser.usePolicy({}))).toEqual([
      'TRIB_LORA',
      expect.stringContaining(
        `adapter: expected the parameters of the model's layers, got others for ${inputA}`,
      ),
    ]);
  });
});

describe('timestepTensor', () => {
  it('should be one a row, or one for all, of the type that the model takes', () => {
    expect(timestepTensor([7, 8], 'int64', [2])).toEqual(int64([7, 8]));
    expect(timestepTensor([7, 7], 'int64', [])).toEqual(int64([7], []));
    expect(timestepTensor([512.25, 7], 'float32', ['batch'])).toEqual(float32([512.25, 7], [2]));
    expect(timestepTensor([7, 8], 'int32', [2])).toMatchObject({ type: 'int32', data: Int32Array.of(7, 8) });
  });

  it('should refuse to round the timesteps of a flow', async () => {
    for (const type of ['int64', 'int32'] as const)
      expect(await faultOf(() => timestepTensor([7, 512.25], type, [2]))).toEqual([
        'TRIB_MODEL',
        `denoiser input "timestep": expected float32, because a flow has timesteps like 512.25, got ${type}. Export the model with a float timestep.`,
      ]);
  });
});
