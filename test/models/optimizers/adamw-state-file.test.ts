import { describe, expect, test } from 'vitest';
import { adamWStep, initialAdamWState } from '../../../src/models/optimizers/adamw.js';
import { decodeAdamWState, encodeAdamWState } from '../../../src/models/optimizers/adamw-state-file.js';

const PARAMETERS = { 'attn.lora_A': Float32Array.of(1, 2, 3), 'attn.lora_B': Float32Array.of(0.1) };
const GRADIENTS = { 'attn.lora_A': Float32Array.of(0.3, -1, 2), 'attn.lora_B': Float32Array.of(5) };
const { parameters, state } = adamWStep(PARAMETERS, GRADIENTS, initialAdamWState(PARAMETERS), {
  learningRate: 0.01,
});

describe('the AdamW state file', () => {
  test('should continue a run with the very same numbers', () => {
    const restored = decodeAdamWState(encodeAdamWState(state), parameters, 'optimizer.safetensors');
    expect(restored).toEqual(state);
    const go = (from: typeof state) => adamWStep(parameters, GRADIENTS, from, { learningRate: 0.01 });
    expect(go(restored)).toEqual(go(state));
    expect(encodeAdamWState(restored)).toEqual(encodeAdamWState(state));
  });

  test.each([
    [
      'another parameter',
      { other: Float32Array.of(1, 2, 3), 'attn.lora_B': Float32Array.of(1) },
      'm.other: expected F32 [3], got none',
    ],
    [
      'another length',
      { ...PARAMETERS, 'attn.lora_B': new Float32Array(2) },
      'm.attn.lora_B: expected F32 [2], got F32 [1]',
    ],
    ['fewer parameters', { 'attn.lora_B': Float32Array.of(1) }, 'expected 2 moments, got 4'],
  ])('should refuse the state of %s', (_, wanted, text) => {
    const decode = () => decodeAdamWState(encodeAdamWState(state), wanted, 'optimizer.safetensors');
    expect(decode).toThrow(
      expect.objectContaining({ code: 'TRIB_CHECKPOINT', message: expect.stringContaining(text) }),
    );
  });

  test('should refuse a damaged file', () => {
    const cut = encodeAdamWState(state).subarray(0, -1);
    expect(() => decodeAdamWState(cut, PARAMETERS, 'optimizer.safetensors')).toThrow(
      expect.objectContaining({ code: 'TRIB_FILE' }),
    );
  });
});
