import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  type Correction,
  correct,
  precedesSampleSize,
} from '../../../../src/models/pipeline/scheduler/pipeline-corrections.js';

/** Read from the constructors of diffusers by tools/reference/diffusers_readings.py. */
const { corrections } = JSON.parse(readFileSync('test/fixtures/diffusers-readings.json', 'utf8')) as {
  readonly corrections: Readonly<Record<string, readonly Correction[]>>;
};
const ALL = ['steps_offset', 'clip_sample', 'sample_size'] as const;

describe('corrected', () => {
  const cases: readonly (readonly [name: string, expected: readonly Correction[]])[] = [
    ...Object.entries(corrections),
    ['ORTStableDiffusionPipeline', ALL],
    ['StableDiffusionXLPipeline', []],
    ['StableDiffusionXLImg2ImgPipeline', []],
    ['StableDiffusionControlNetPipeline', []],
    ['TributaryPipeline', []],
  ];
  test.each(cases)('should correct in a %s what diffusers corrects: %j', (pipelineClass, expected) => {
    const warnings: string[] = [];
    const context = { pipelineClass, warn: (message: string) => warnings.push(message) };
    const found = ALL.filter((key) => correct(context, key, 'a.json', ['old', 'new']) === 'new');
    expect(found).toEqual(ALL.filter((key) => expected.includes(key)));
    expect(warnings).toHaveLength(found.length);
    expect(correct(context, 'steps_offset', 'a.json', [1, 1])).toBe(1);
    expect(warnings).toHaveLength(found.length);
  });
});

describe('precedesSampleSize', () => {
  test.each([
    ['0.6.0', true],
    ['0.8.1', true],
    ['0.9.0.dev0', false],
    ['0.9.0', false],
    ['0.42.1', false],
    ['1.2.0', false],
    ['unknown', false],
    [undefined, false],
  ])('should say of %s: %s', (version, expected) => {
    expect(precedesSampleSize(version)).toBe(expected);
  });
});
