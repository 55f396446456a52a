import { describe, expect, it } from 'vitest';
import { isReplacedAt, mergeValues } from '../../../../src/streams/config/source/value-tree.js';

describe('mergeValues', () => {
  it('should merge mappings key by key, and replace lists and scalars', () => {
    const under = { seed: 1, lora: { rank: 4, alpha: 4 }, stages: [1, 2] };
    expect(mergeValues(under, { lora: { rank: 8 }, stages: [3], name: 'a' })).toEqual({
      seed: 1,
      lora: { rank: 8, alpha: 4 },
      stages: [3],
      name: 'a',
    });
  });

  it.each([
    ['type', 'ddpo-is', 'd3po'],
    ['rule', 'history', 'per-prompt'],
    ['mode', 'constant', 'window'],
    ['from', 'stage', 'replay'],
  ])('should replace a mapping of another `%s` as a whole', (key, one, other) => {
    expect(mergeValues({ at: { [key]: one, old: 1 } }, { at: { [key]: other, young: 2 } })).toEqual({
      at: { [key]: other, young: 2 },
    });
    expect(mergeValues({ at: { [key]: one, old: 1 } }, { at: { [key]: one, young: 2 } })).toEqual({
      at: { [key]: one, old: 1, young: 2 },
    });
    expect(mergeValues({ at: { [key]: one, old: 1 } }, { at: { young: 2 } })).toEqual({
      at: { [key]: one, old: 1, young: 2 },
    });
  });

  it('should know rewards that do not say where they come from as those of a model', () => {
    const under = { type: 'reward', model: 'm', batchSize: 3 };
    const service = { type: 'reward', from: 'http', url: 'u' };
    expect(mergeValues(under, service)).toEqual(service);
    expect(mergeValues(under, { from: 'model', batchSize: 4 })).toEqual({
      ...under,
      from: 'model',
      batchSize: 4,
    });
    expect(mergeValues(service, { batchSize: 4 })).toEqual({ ...service, batchSize: 4 });
    expect(mergeValues({ samplesPerUpdate: 3 }, { from: 'replay' })).toEqual({
      samplesPerUpdate: 3,
      from: 'replay',
    });
  });

  it('should leave what lies around a replaced mapping', () => {
    const trainer = { type: 'trainer', learningRate: 1, surrogate: { type: 'ddpo-is', advClipMax: 5 } };
    expect(mergeValues(trainer, { type: 'trainer', surrogate: { type: 'd3po' } })).toEqual({
      type: 'trainer',
      learningRate: 1,
      surrogate: { type: 'd3po' },
    });
  });

  it('should replace a mapping by what is none, and the other way round', () => {
    expect(mergeValues({ a: { b: 1 } }, { a: null })).toEqual({ a: null });
    expect(mergeValues({ a: 1 }, { a: { b: 1 } })).toEqual({ a: { b: 1 } });
  });

  it('should change neither of its arguments', () => {
    const under = { a: { b: 1 } };
    const over = { a: { c: 2 } };
    mergeValues(under, over);
    expect([under, over]).toEqual([{ a: { b: 1 } }, { a: { c: 2 } }]);
  });
});

describe('isReplacedAt', () => {
  const under = { a: { type: 'x', b: { c: 1 } }, d: [1] };

  it.each<[about: string, over: unknown, path: (string | number)[], replaced: boolean]>([
    ['what is not written over', { e: 1 }, ['a', 'b'], false],
    ['what lies beside what is written over', { a: { b: { f: 2 } } }, ['a', 'b', 'c'], false],
    ['a mapping that is merged', { a: { type: 'x' } }, ['a'], false],
    ['a mapping of another variant', { a: { type: 'y' } }, ['a'], true],
    ['what lies in a mapping of another variant', { a: { type: 'y' } }, ['a', 'b', 'c'], true],
    ['what lies under a scalar', { a: 7 }, ['a', 'b'], true],
    ['the entry of a list', { d: [2, 3] }, ['d', 0], true],
  ])('should tell %s', (_, over, path, replaced) => {
    expect(isReplacedAt(under, over, path)).toBe(replaced);
  });
});
