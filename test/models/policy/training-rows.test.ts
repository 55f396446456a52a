import { describe, expect, it } from 'vitest';
import { usesGuidance } from '../../../src/models/diffusion/guided-output.js';
import type { Port } from '../../../src/models/engines/contract/engine.js';
import { createConditioning } from '../../../src/models/pipeline/conditioning.js';
import type { Pipeline } from '../../../src/models/pipeline/pipeline.js';
import type { RowUnit, TrainingRow } from '../../../src/models/policy/training-rows.js';
import { arrange, minibatches, rowFeeds, sortedByShape } from '../../../src/models/policy/training-rows.js';
import { float32, int64 } from '../../../src/models/tensor.js';
import { faultOf } from '../../fixtures/fault-of.js';

/** A row that is told apart by its advantage. */
const row = (advantage: number, timestep = 1, changes: Partial<TrainingRow> = {}): TrainingRow => ({
  prompt: 'a',
  step: 0,
  timestep,
  weight: 1,
  advantage,
  scalars: { oldLogProb: 10 * advantage },
  latents: () => ({ sample: Float32Array.of(advantage, -advantage), target: Float32Array.of(5, advantage) }),
  ...changes,
});
const single = (advantage: number, timestep = 1): RowUnit => [row(advantage, timestep)];
const pair = (advantage: number, timestep = 1): RowUnit => [
  row(advantage, timestep),
  row(-advantage, timestep),
];
const names = (units: readonly RowUnit[]) => units.map(([first]) => first?.advantage);
const split = (...input: Parameters<typeof minibatches>) => [...minibatches(...input)].map(names);

describe('minibatches', () => {
  const singles = [1, 2, 3, 4, 5].map((name) => single(name, name < 4 ? 7 : 8));

  it('should fill one run after another, and leave the rest to the last', () => {
    expect(split(singles, 2, false)).toEqual([[1, 2], [3, 4], [5]]);
    expect(split(singles, 8, false)).toEqual([[1, 2, 3, 4, 5]]);
    expect(split([], 2, false)).toEqual([]);
  });

  it('should keep timesteps apart where the network takes one a run', () => {
    expect(split(singles, 2, true)).toEqual([[1, 2], [3], [4, 5]]);
    // A timestep that comes again later begins a run of its own; nothing is skipped and nothing comes twice.
    const mixed = [5, 7, 5, 9].map((timestep, index) => single(index + 1, timestep));
    expect(split(mixed, 3, true)).toEqual([[1], [2], [3], [4]]);
  });

  it('should end a run where the timestep changes, and train every unit once, in order', () => {
    const mixed = [7, 8, 7, 7, 8].map((timestep, index) => single(index + 1, timestep));
    expect(split(mixed, 4, true)).toEqual([[1], [2], [3, 4], [5]]);
    expect(split(mixed, 4, false)).toEqual([[1, 2, 3, 4], [5]]);
    const pairs = [7, 7, 8, 7].map((timestep, index) => pair(index + 1, timestep));
    expect(split(pairs, 6, true)).toEqual([[1, 2], [3], [4]]);
  });

  it('should put half as many pairs in a run, never half a pair', () => {
    const pairs = [1, 2, 3].map((name) => pair(name));
    expect(split(pairs, 4, false)).toEqual([[1, 2], [3]]);
    expect(split(pairs, 2, false)).toEqual([[1], [2], [3]]);
  });
});

describe('sortedByShape', () => {
  const sized = (name: number, ...latentShape: [number, number, number]): RowUnit => [
    row(name, 7, { latentShape }),
  ];
  const mixed = [sized(1, 1, 2, 3), sized(2, 1, 3, 2), single(3), sized(4, 1, 2, 3), sized(5, 1, 3, 2)];
  const shapes = ['', '1x3x2', '1x2x3'];

  it('should put sizes one after another, in order, with a run for each', () => {
    const sorted = sortedByShape(mixed, shapes);
    expect(names(sorted)).toEqual([3, 2, 5, 1, 4]);
    expect(split(sorted, 4, false)).toEqual([[3], [2, 5], [1, 4]]);
    expect(split(sorted, 1, false)).toEqual([[3], [2], [5], [1], [4]]);
  });

  it('should refuse a size that there is no graph for', async () => {
    expect(await faultOf(() => sortedByShape(mixed, shapes.slice(0, 2)))).toEqual([
      'TRIB_CONFIG',
      'training rows: expected latents of the common size, 1x3x2, got 1x2x3. Train with the stages.sampler.buckets that drew them.',
    ]);
  });
});

describe('arranged', () => {
  const shown = (rows: readonly TrainingRow[]) => rows.map(({ advantage, weight }) => [advantage, weight]);

  it('should fill up with the first unit at weight 0', () => {
    expect(shown(arrange([single(1), single(2)], 4))).toEqual([
      [1, 1],
      [2, 1],
      [1, 0],
      [1, 0],
    ]);
  });

  it('should put preferred rows first, then the rejected ones in the same order', () => {
    expect(shown(arrange([pair(1), pair(2)], 6))).toEqual([
      [1, 1],
      [2, 1],
      [1, 0],
      [-1, 1],
      [-2, 1],
      [-1, 0],
    ]);
  });
});

describe('rowFeeds', () => {
  const pipeline = {
    latentShape: [2, 1, 1],
    embedsShape: [1, 2],
    embedPrompt: async (prompt: string) => Float32Array.of(prompt.length, 9),
    negativePrompt: '',
    conditioning: createConditioning(
      { encoder_hidden_states: { shape: [1, 2], from: 'tokens' } },
      [1, 2],
      [],
    ),
    usesGuidance,
  } as unknown as Pipeline;
  const port = (name: string, shape: readonly number[], type: Port['type'] = 'float32'): Port => ({
    name,
    type,
    shape,
  });
  const rows = [row(0.5, 400), row(2, 30, { prompt: 'abc', weight: 0.25 })];

  it('should feed what the graph takes, by the kind of its input', async () => {
    const inputs = [
      port('sample', [2, 2, 1, 1]),
      port('timestep', [2], 'int64'),
      port('encoder_hidden_states', [2, 1, 2]),
      port('target', [2, 2, 1, 1]),
      port('oldLogProb', [2]),
      port('advantage', [2]),
      port('weight', [2]),
    ];
    expect(await rowFeeds(pipeline, rows, inputs, 1)).toEqual({
      sample: float32([0.5, -0.5, 2, -2], [2, 2, 1, 1]),
      timestep: int64([400, 30]),
      encoder_hidden_states: float32([1, 9, 3, 9], [2, 1, 2]),
      target: float32([5, 0.5, 5, 2], [2, 2, 1, 1]),
      oldLogProb: float32([5, 20], [2]),
      advantage: float32([0.5, 2], [2]),
      weight: float32([1, 0.25], [2]),
    });
    expect(Object.keys(await rowFeeds(pipeline, rows, [port('weight', [2])], 1))).toEqual(['weight']);
  });

  it('should feed the network every row twice under guidance, first without its prompt', async () => {
    const inputs = [
      port('sample', [4, 2, 1, 1]),
      port('timestep', [4], 'int64'),
      port('encoder_hidden_states', [4, 1, 2]),
      port('target', [2, 2, 1, 1]),
      port('weight', [2]),
    ];
    expect(await rowFeeds(pipeline, rows, inputs, 2)).toEqual({
      sample: float32([0.5, -0.5, 2, -2, 0.5, -0.5, 2, -2], [4, 2, 1, 1]),
      timestep: int64([400, 30, 400, 30]),
      encoder_hidden_states: float32([0, 9, 0, 9, 1, 9, 3, 9], [4, 1, 2]),
      target: float32([5, 0.5, 5, 2], [2, 2, 1, 1]),
      weight: float32([1, 0.25], [2]),
    });
  });

  it('should refuse an input that nobody feeds', async () => {
    expect(await faultOf(() => rowFeeds(pipeline, rows, [port('mask', [2])], 1))).toEqual([
      'TRIB_INTERNAL',
      'training graph input "mask": expected rows that feed it, got none. Build the graph for the same surrogate as the rows.',
    ]);
  });

  it('should feed one timestep where the network takes one', async () => {
    const feeds = await rowFeeds(pipeline, [row(1, 7), row(2, 7)], [port('timestep', [], 'int64')], 2);
    expect(feeds).toEqual({ timestep: int64([7], []) });
  });
});
