import { describe, expect, it } from 'vitest';
import { stageOf } from '../../../../src/streams/config/resolved/stage-of.js';
import { configOf } from '../config-of.js';

describe('stageOf', () => {
  it('should find a stage by its type and keep its name', () => {
    expect(stageOf(configOf(), 'reward')).toEqual({
      name: 'reward',
      type: 'reward',
      from: 'model',
      model: 'models/shapes/reward',
      batchSize: 32,
      maxMagnitude: 1e15,
    });
  });

  it('should say which one is missing', () => {
    const { reward: _, ...stages } = configOf().stages;
    expect(() => stageOf({ ...configOf(), stages }, 'reward')).toThrow(
      'topology "tiny" stages: expected one of type reward, got none. Add one.',
    );
  });
});
