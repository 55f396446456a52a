import { describe, expect, it } from 'vitest';
import { sampleScene } from '../../../../src/models/shapes/pictures/scene.js';
import { enumeratePrompts, TEMPLATES, wantedKinds } from '../../../../src/models/shapes/prompts/grammar.js';
import { parsePrompt } from '../../../../src/models/shapes/prompts/parse-prompt.js';
import { seededRandom } from '../seeded-random.js';

describe('sampleScene', () => {
  it('should place the wanted objects inside the frame, a pixel apart, for every prompt', () => {
    const random = seededRandom(11);
    for (const prompt of TEMPLATES.flatMap(enumeratePrompts)) {
      const { objects } = sampleScene(prompt, random);
      expect(objects.map(({ color, shape }) => ({ color, shape }))).toEqual(wantedKinds(prompt));
      for (const [index, { centerX, centerY, size }] of objects.entries()) {
        expect(size).toBeGreaterThanOrEqual(5.5);
        expect(size).toBeLessThanOrEqual(7);
        expect(Math.min(centerX, centerY) - size / 2).toBeGreaterThanOrEqual(0);
        expect(Math.max(centerX, centerY) + size / 2).toBeLessThanOrEqual(16);
        for (const other of objects.slice(index + 1)) {
          const distance = Math.max(Math.abs(centerX - other.centerX), Math.abs(centerY - other.centerY));
          expect(distance - (size + other.size) / 2).toBeGreaterThanOrEqual(1 - 1e-9);
        }
      }
    }
  });

  it.each([
    ['above', 'centerY', 'centerX', -1],
    ['below', 'centerY', 'centerX', 1],
    ['left of', 'centerX', 'centerY', -1],
    ['right of', 'centerX', 'centerY', 1],
  ] as const)('should draw "%s" clearly', (relation, along, across, sign) => {
    const random = seededRandom(5);
    const prompt = parsePrompt(`a red circle ${relation} a blue square`);
    for (let draw = 0; draw < 300; draw++) {
      const [first, second] = sampleScene(prompt, random).objects;
      const distance = sign * (first![along] - second![along]);
      expect(distance).toBeGreaterThanOrEqual(6.5);
      expect(Math.abs(first![across] - second![across])).toBeLessThanOrEqual(3);
    }
  });

  it('should give the same scene for the same seed and another for another', () => {
    const draw = (seed: number) => sampleScene(parsePrompt('three green triangles'), seededRandom(seed));
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });
});
