import { describe, expect, it } from 'vitest';
import type { TributaryError } from '../../../../src/errors.js';
import { parsePrompt } from '../../../../src/models/shapes/prompts/parse-prompt.js';

const faultOf = (text: string): TributaryError => {
  try {
    parsePrompt(text);
  } catch (error) {
    return error as TributaryError;
  }
  throw new Error(`"${text}" was read`);
};

describe('parsePrompt', () => {
  it('should read the three templates', () => {
    expect(parsePrompt('a red circle and a blue square')).toEqual({
      template: 'binding',
      first: { color: 'red', shape: 'circle' },
      second: { color: 'blue', shape: 'square' },
    });
    expect(parsePrompt('three green triangles')).toEqual({
      template: 'counting',
      count: 3,
      kind: { color: 'green', shape: 'triangle' },
    });
    expect(parsePrompt('a red circle left of a blue square')).toEqual({
      template: 'relation',
      first: { color: 'red', shape: 'circle' },
      relation: 'left of',
      second: { color: 'blue', shape: 'square' },
    });
  });

  it('should not mind upper case and extra blanks', () => {
    expect(parsePrompt('  One   GREEN\ttriangle ')).toEqual(parsePrompt('one green triangle'));
  });

  it.each([
    ['', 'prompt: expected words, got an empty text. Write one such as "a red circle and a blue square".'],
    [
      'a red cirkle and a blue square',
      'prompt "a red cirkle and a blue square" word 3: expected a known word, got "cirkle". Did you mean "circle"?',
    ],
    [
      'three green triangle',
      'prompt "three green triangle": expected the number of the noun to fit the count, got "triangle". Write "three green triangles".',
    ],
    [
      'one green triangles',
      'prompt "one green triangles": expected the number of the noun to fit the count, got "triangles". Write "one green triangle".',
    ],
    [
      'a red circle above a red circle',
      'prompt "a red circle above a red circle": expected two objects that differ, got the same one twice. Change a color or a shape, or count it: "two red circles".',
    ],
  ])('should say what is wrong with "%s"', (text, message) => {
    expect(faultOf(text)).toMatchObject({ code: 'TRIB_PROMPT', message });
  });

  it.each([
    'a red circle',
    'red circle and blue square',
    'a red circle of a blue square',
    'a red circle left a blue square',
    'a red circle and a blue square and a green triangle',
    'three triangles',
    'a circle red and a blue square',
    'two red circles above a blue square',
  ])('should refuse "%s", which fits no template', (text) => {
    const fault = faultOf(text);
    expect(fault.code).toBe('TRIB_PROMPT');
    expect(fault.message).toContain(`prompt "${text}": expected one of the three templates`);
  });
});
