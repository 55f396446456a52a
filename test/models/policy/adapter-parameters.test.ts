import { describe, expect, it } from 'vitest';
import { decodeLoraFile } from '../../../src/models/adapters/lora-file.js';
import type { Adapter } from '../../../src/models/graph/lora.js';
import {
  decodeParameters,
  encodeParameters,
  initialParameters,
} from '../../../src/models/policy/adapter-parameters.js';

const LORA = { pattern: 'to_q', rank: 2, alpha: 3 };
const adapter = (layer: string, inFeatures: number, outFeatures: number): Adapter => ({
  layer,
  inFeatures,
  outFeatures,
  inputA: `${layer}.lora_A`,
  inputB: `${layer}.lora_B`,
});
const ADAPTERS = [adapter('down.attn1.to_q', 3, 4), adapter('mid.attn2.to_k', 5, 1)];

describe('initialParameters', () => {
  it('should start with B zero and A of standard deviation 1 / rank', () => {
    const [wide] = [adapter('wide', 5000, 3)];
    const parameters = initialParameters([wide as Adapter], LORA, 1);
    expect(parameters['wide.lora_B']).toEqual(new Float32Array(6));
    const values = parameters['wide.lora_A'] ?? new Float32Array();
    expect(values).toHaveLength(10_000);
    expect(values.reduce((sum, value) => sum + value ** 2, 0) / 10_000).toBeCloseTo(1 / 4, 1);
  });

  it('should depend on the seed and the place of the layer', () => {
    const first = initialParameters(ADAPTERS, LORA, 1);
    expect(initialParameters(ADAPTERS, LORA, 1)).toEqual(first);
    expect(initialParameters(ADAPTERS, LORA, 2)).not.toEqual(first);
    expect(first['mid.attn2.to_k.lora_A']?.slice(0, 4)).not.toEqual(
      first['down.attn1.to_q.lora_A']?.slice(0, 4),
    );
  });
});

describe('an adapter file', () => {
  const parameters = {
    'down.attn1.to_q.lora_A': Float32Array.of(1, 2, 3, 4, 5, 6), // [3, 2]
    'down.attn1.to_q.lora_B': Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), // [2, 4]
    'mid.attn2.to_k.lora_A': Float32Array.from({ length: 10 }, (_, i) => i),
    'mid.attn2.to_k.lora_B': Float32Array.of(-1, -2),
  };
  const bytes = encodeParameters(ADAPTERS, parameters, LORA);

  it('should come back as it was', () => {
    expect(decodeParameters(bytes, 'adapter')).toEqual({
      parameters,
      rank: 2,
      alpha: 3,
      layers: ['down.attn1.to_q', 'mid.attn2.to_k'],
      hasOneRank: true,
    });
  });

  it('should hold the transposes, under the names of diffusers', () => {
    const layers = decodeLoraFile(bytes, 'adapter');
    expect(layers.map(({ key }) => key)).toEqual(['unet.down.attn1.to_q', 'unet.mid.attn2.to_k']);
    expect(layers[0]).toMatchObject({
      loraA: Float32Array.of(1, 3, 5, 2, 4, 6), // [rank, in]
      loraB: Float32Array.of(1, 5, 2, 6, 3, 7, 4, 8), // [out, rank]
    });
  });
});
