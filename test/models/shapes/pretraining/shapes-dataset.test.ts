import { describe, expect, it } from 'vitest';
import { PICTURE_LENGTH } from '../../../../src/models/shapes/pictures/render.js';
import { verify } from '../../../../src/models/shapes/pictures/verifier.js';
import { drawBatch, drawPicture } from '../../../../src/models/shapes/pretraining/shapes-dataset.js';
import { TEMPLATES } from '../../../../src/models/shapes/prompts/grammar.js';
import { parsePrompt } from '../../../../src/models/shapes/prompts/parse-prompt.js';
import { isHeldOut } from '../../../../src/models/shapes/prompts/prompt-lists.js';
import { seededRandom } from '../seeded-random.js';

const draw = (batchSize: number, captionCorruption: number, dropout: number) =>
  drawBatch({ batchSize, random: seededRandom(6), captionCorruption, dropout });

describe('drawBatch', () => {
  it('should caption each picture by what it shows when nothing is corrupted or dropped', () => {
    const { images, prompts, drawnPrompts } = draw(60, 0, 0);
    expect(images).toHaveLength(60 * PICTURE_LENGTH);
    expect(prompts).toEqual(drawnPrompts);
    const numRead = prompts.filter(
      (prompt, index) =>
        verify(images.subarray(index * PICTURE_LENGTH, (index + 1) * PICTURE_LENGTH), parsePrompt(prompt))
          .satisfied,
    ).length;
    expect(numRead).toBe(60);
  });

  it('should corrupt and drop captions as often as asked', () => {
    const { prompts, drawnPrompts } = draw(2000, 0.25, 0.1);
    const numEmpty = prompts.filter((prompt) => prompt === '').length;
    const numWrong = prompts.filter(
      (prompt, index) => prompt !== '' && prompt !== drawnPrompts[index],
    ).length;
    expect(Math.abs(numEmpty / 2000 - 0.1)).toBeLessThan(0.03);
    expect(Math.abs(numWrong / 2000 - 0.9 * 0.25)).toBeLessThan(0.04);
  });

  it('should use the templates equally, and never a held-out combination', () => {
    const { prompts, drawnPrompts } = draw(3000, 0.5, 0);
    for (const template of TEMPLATES) {
      const share = drawnPrompts.filter((prompt) => parsePrompt(prompt).template === template).length / 3000;
      expect(Math.abs(share - 1 / 3)).toBeLessThan(0.04);
    }
    expect([...prompts, ...drawnPrompts].some((prompt) => isHeldOut(parsePrompt(prompt)))).toBe(false);
  });

  it('should draw and corrupt each template as its shares say', () => {
    const templates = {
      binding: { weight: 1 },
      counting: { weight: 1, captionCorruption: 1 },
      relation: { weight: 2, captionCorruption: 0 },
    };
    const random = seededRandom(6);
    const options = { batchSize: 4000, random, captionCorruption: 0.5, dropout: 0, templates };
    const { prompts, drawnPrompts } = drawBatch(options);
    const found = TEMPLATES.map((template) => {
      const drawn = [...drawnPrompts.entries()].filter(([, text]) => parsePrompt(text).template === template);
      const wrong = drawn.filter(([index, text]) => prompts[index] !== text);
      return [drawn.length / 4000, wrong.length / drawn.length];
    });
    const expected = [
      [0.25, 0.5],
      [0.25, 1],
      [0.5, 0],
    ];
    for (const [row, shares] of expected.entries())
      for (const [column, share] of shares.entries())
        expect(Math.abs((found[row]?.[column] ?? Number.NaN) - share)).toBeLessThan(0.04);
  });

  it('should draw the same bytes from the same seed', () => {
    expect(draw(8, 0.3, 0.1)).toEqual(draw(8, 0.3, 0.1));
  });
});

describe('drawPicture', () => {
  it('should draw what the prompt says', () => {
    const image = drawPicture('four purple triangles', seededRandom(2));
    const { objects } = verify(image, parsePrompt('four purple triangles'));
    expect(objects.map(({ color, shape }) => `${color} ${shape}`)).toEqual(Array(4).fill('purple triangle'));
  });
});
