import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { COLORS, promptMeaning, SHAPES, TEMPLATES } from '../../../../src/models/shapes/prompts/grammar.js';
import { parsePrompt } from '../../../../src/models/shapes/prompts/parse-prompt.js';
import {
  allPrompts,
  captionPrompts,
  isHeldOut,
  promptLists,
} from '../../../../src/models/shapes/prompts/prompt-lists.js';
import { shapesPromptFiles } from '../../../../src/models/shapes/prompts/shapes-files.js';

const { train, heldOut } = promptLists();
const meanings = (prompts: readonly string[]) =>
  new Set(prompts.map((text) => promptMeaning(parsePrompt(text))));
const ofTemplate = (prompts: readonly string[], template: string) =>
  prompts.filter((text) => parsePrompt(text).template === template);

describe('promptLists', () => {
  it.each(TEMPLATES)('should list 24 prompts to train on and 12 held out of template %s', (template) => {
    expect(meanings(ofTemplate(train, template)).size).toBe(24);
    expect(meanings(ofTemplate(heldOut, template)).size).toBe(12);
  });

  it('should hold out combinations, in whatever words', () => {
    const trained = meanings(train);
    expect([...meanings(heldOut)].filter((meaning) => trained.has(meaning))).toEqual([]);
    expect(isHeldOut(parsePrompt('a red circle above a purple square'))).toBe(true);
    expect(isHeldOut(parsePrompt('a purple square below a red circle'))).toBe(true);
    expect(isHeldOut(parsePrompt('a red circle below a purple square'))).toBe(false);
  });

  it.each(TEMPLATES)('should train on every word that template %s is tested with', (template) => {
    const words = (prompts: readonly string[]) => new Set(ofTemplate(prompts, template).join(' ').split(' '));
    expect([...words(heldOut)].filter((word) => !words(train).has(word))).toEqual([]);
  });

  it.each(TEMPLATES)('should use each color and shape about equally often in template %s', (template) => {
    for (const prompts of [train, heldOut]) {
      const text = ofTemplate(prompts, template).join(' ');
      for (const words of [COLORS, SHAPES]) {
        const uses = words.map((word) => text.split(word).length - 1);
        expect(Math.max(...uses) - Math.min(...uses)).toBeLessThanOrEqual(3);
      }
    }
  });

  it('should be what the model folder holds', () => {
    const folder = new URL('../../../../models/shapes/prompts/', import.meta.url);
    for (const [name, text] of Object.entries(shapesPromptFiles())) {
      expect(
        readFileSync(new URL(name, folder), 'utf8'),
        `run node tools/write-shapes-files.mjs for ${name}`,
      ).toBe(text);
    }
  });
});

describe('allPrompts', () => {
  it('should hold every training prompt and no held-out combination', () => {
    const captions = new Set(allPrompts());
    expect(train.filter((prompt) => !captions.has(prompt))).toEqual([]);
    const barred = meanings(heldOut);
    expect(allPrompts().filter((text) => barred.has(promptMeaning(parsePrompt(text))))).toEqual([]);
  });

  it('should leave out the held-out combinations and nothing else', () => {
    expect(TEMPLATES.map((template) => captionPrompts(template).length)).toEqual([
      210 - 24,
      60 - 12,
      840 - 24,
    ]);
    expect(allPrompts()).toHaveLength(186 + 48 + 816);
  });
});
