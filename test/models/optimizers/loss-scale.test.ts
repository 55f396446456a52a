import { describe, expect, it } from 'vitest';
import {
  decodeLossScale,
  encodeLossScale,
  initialLossScale,
  nextLossScale,
} from '../../../src/models/optimizers/loss-scale.js';
import { faultOf } from '../../fixtures/fault-of.js';

const OPTIONS = { initial: 1024, growthInterval: 3 };

describe('the loss scale', () => {
  it('should go where torch.amp.GradScaler goes', () => {
    let state = initialLossScale(OPTIONS);
    // GradScaler(init_scale=1024, growth_interval=3), an update a letter: g good, b with an infinite gradient.
    const scales = [...'ggggbgggbbg'].map((update) => {
      state = nextLossScale(state, update === 'b', OPTIONS);
      return state.scale;
    });
    expect(scales).toEqual([1024, 1024, 2048, 2048, 1024, 1024, 1024, 2048, 1024, 512, 512]);
  });

  it('should stay a float32', () => {
    const state = nextLossScale({ scale: 2 ** 127, goodUpdates: 2 }, false, OPTIONS);
    expect(Number.isFinite(Math.fround(state.scale))).toBe(true);
  });

  it('should come back from its file', () => {
    const state = { scale: 2 ** -3, goodUpdates: 17 };
    expect(decodeLossScale(encodeLossScale(state), 'a')).toEqual(state);
  });

  it.each(['', '{}', '{"scale":0,"goodUpdates":1}', '{"scale":1,"goodUpdates":-1}'])(
    'should refuse %j',
    async (text) => {
      const [code] = await faultOf(() => decodeLossScale(new TextEncoder().encode(text), 'checkpoints/1'));
      expect(code).toBe('TRIB_CHECKPOINT');
    },
  );
});
