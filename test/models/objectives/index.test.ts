import { describe, expect, it } from 'vitest';
import { section } from '../../../src/fields.js';
import { createSurrogate, SURROGATES, type SurrogateSettings } from '../../../src/models/objectives/index.js';

const withDefaults = SURROGATES.entries.map(
  ({ name, fields }) => ({ type: name, ...section(fields).parse({}) }) as SurrogateSettings,
);

describe('SURROGATES', () => {
  it('should each have a name of its own', () => {
    expect(new Set(SURROGATES.entries.map(({ name }) => name)).size).toBe(SURROGATES.entries.length);
  });

  it.each(
    SURROGATES.entries.flatMap(({ name: type, fields }) =>
      Object.entries(fields).map(([name, field]) => [type, name, field] as const),
    ),
  )('should describe every setting: %s %s', (_, __, field) => {
    expect(field.description).toMatch(/\.$/);
  });
});

describe('createSurrogate', () => {
  it('should create, from defaults alone, a surrogate of the kind and with the references that it is known for', () => {
    const created = withDefaults.map((settings) => {
      const { trainsOn, references } = createSurrogate(settings);
      return [settings.type, trainsOn, ...references];
    });
    expect(created).toEqual([
      ['ddpo-is', 'steps'],
      ['ddpo-sf', 'steps'],
      ['dpok', 'steps', 'pretrained'],
      ['d3po', 'pairs', 'pretrained'],
      ['grpo', 'steps', 'pretrained'],
      ['grpo-guard', 'steps', 'old'],
      ['diffusion-nft', 'denoising', 'old', 'pretrained'],
      ['diffusion-dpo', 'denoising', 'pretrained'],
      ['awm', 'denoising', 'old', 'pretrained'],
      ['reward-weighted', 'denoising'],
      ['sft', 'denoising'],
    ]);
  });
});
