import { describe, expect, it } from 'vitest';
import {
  enumeratePrompts,
  formatPrompt,
  promptMeaning,
  TEMPLATES,
  WORDS,
} from '../../../../src/models/shapes/prompts/grammar.js';
import { parsePrompt } from '../../../../src/models/shapes/prompts/parse-prompt.js';

const meaningOf = (text: string) => promptMeaning(parsePrompt(text));

describe('grammar', () => {
  it('should read back every prompt that it can write', () => {
    for (const prompt of TEMPLATES.flatMap(enumeratePrompts)) {
      expect(parsePrompt(formatPrompt(prompt))).toEqual(prompt);
    }
  });

  it('should enumerate 210 bindings, 60 counts and 840 relations, each once', () => {
    const counts = TEMPLATES.map((template) => new Set(enumeratePrompts(template).map(formatPrompt)).size);
    expect(counts).toEqual([210, 60, 840]);
  });

  it('should need no word twice and none that no prompt uses', () => {
    const used = TEMPLATES.flatMap(enumeratePrompts).flatMap((prompt) => formatPrompt(prompt).split(' '));
    expect([...WORDS].sort()).toEqual([...new Set(used)].sort());
  });

  it.each([
    ['a red circle and a blue square', 'a blue square and a red circle'],
    ['a red circle above a blue square', 'a blue square below a red circle'],
    ['a red circle right of a blue square', 'a blue square left of a red circle'],
  ])('should give "%s" and "%s" one meaning', (one, other) => {
    expect(meaningOf(one)).toBe(meaningOf(other));
  });

  it.each([
    ['a red circle and a blue square', 'a blue circle and a red square'],
    ['a red circle above a blue square', 'a blue square above a red circle'],
    ['a red circle above a blue square', 'a red circle and a blue square'],
    ['two red circles', 'three red circles'],
  ])('should give "%s" and "%s" two meanings', (one, other) => {
    expect(meaningOf(one)).not.toBe(meaningOf(other));
  });

  it('should give as many meanings as there are different pictures', () => {
    const counts = TEMPLATES.map((template) => new Set(enumeratePrompts(template).map(promptMeaning)).size);
    expect(counts).toEqual([105, 60, 420]);
  });
});
