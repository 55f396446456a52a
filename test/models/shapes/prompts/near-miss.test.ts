import { describe, expect, it } from 'vitest';
import { promptMeaning } from '../../../../src/models/shapes/prompts/grammar.js';
import { corruptCaption, hardNegatives } from '../../../../src/models/shapes/prompts/near-miss.js';
import { parsePrompt } from '../../../../src/models/shapes/prompts/parse-prompt.js';
import { allPrompts, isHeldOut, promptLists } from '../../../../src/models/shapes/prompts/prompt-lists.js';
import { seededRandom } from '../seeded-random.js';

/** Attributes by name; a corruption changes exactly one. */
function attributes(text: string): string[] {
  const prompt = parsePrompt(text);
  return prompt.template === 'counting'
    ? [`${prompt.count}`, prompt.kind.color, prompt.kind.shape]
    : [
        prompt.first.color,
        prompt.first.shape,
        prompt.template === 'relation' ? prompt.relation : 'and',
        prompt.second.color,
        prompt.second.shape,
      ];
}

describe('corruptCaption', () => {
  it('should change exactly one attribute, keep the template, and never write a held-out combination', () => {
    const random = seededRandom(1);
    for (const prompt of allPrompts()) {
      const corrupted = corruptCaption(prompt, random);
      const [before, after] = [attributes(prompt), attributes(corrupted)];
      expect(after.length).toBe(before.length);
      expect(after.filter((value, index) => value !== before[index])).toHaveLength(1);
      expect(parsePrompt(corrupted).template).toBe(parsePrompt(prompt).template);
      expect(isHeldOut(parsePrompt(corrupted))).toBe(false);
    }
  });

  it('should reach every kind of change', () => {
    const random = seededRandom(2);
    const prompt = promptLists().train.find((text) => parsePrompt(text).template === 'relation')!;
    const changed = new Set<number>();
    for (let draw = 0; draw < 100; draw++) {
      const after = attributes(corruptCaption(prompt, random));
      for (const [index, value] of attributes(prompt).entries())
        if (value !== after[index]) changed.add(index);
    }
    expect([...changed].sort()).toEqual([0, 1, 2, 3, 4]);
  });
});

describe('hardNegatives', () => {
  it('should give differing meanings, none of them the original or held out', () => {
    const random = seededRandom(3);
    for (const prompt of promptLists().train) {
      const negatives = hardNegatives(prompt, random, 4);
      expect(negatives).toHaveLength(4);
      const meanings = negatives.map((text) => promptMeaning(parsePrompt(text)));
      expect(new Set([...meanings, promptMeaning(parsePrompt(prompt))]).size).toBe(5);
      expect(negatives.some((text) => isHeldOut(parsePrompt(text)))).toBe(false);
    }
  });

  it('should hold the exchanges of colors and of places', () => {
    const all = (prompt: string) =>
      hardNegatives(prompt, seededRandom(4), 100).map((text) => promptMeaning(parsePrompt(text)));
    const meaning = (text: string) => promptMeaning(parsePrompt(text));
    expect(all('a red triangle and a yellow square')).toContain(
      meaning('a yellow triangle and a red square'),
    );
    expect(all('a red triangle above a green circle')).toContain(
      meaning('a green circle above a red triangle'),
    );
  });
});
