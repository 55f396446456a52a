import { describe, expect, it } from 'vitest';
import { PICTURE_LENGTH, renderScene } from '../../../../src/models/shapes/pictures/render.js';
import {
  type Rgb,
  type Scene,
  type SceneObject,
  sampleScene,
} from '../../../../src/models/shapes/pictures/scene.js';
import { verify } from '../../../../src/models/shapes/pictures/verifier.js';
import { drawPicture } from '../../../../src/models/shapes/pretraining/shapes-dataset.js';
import {
  type ParsedPrompt,
  promptMeaning,
  TEMPLATES,
} from '../../../../src/models/shapes/prompts/grammar.js';
import { hardNegatives } from '../../../../src/models/shapes/prompts/near-miss.js';
import { parsePrompt } from '../../../../src/models/shapes/prompts/parse-prompt.js';
import { captionPrompts, promptLists } from '../../../../src/models/shapes/prompts/prompt-lists.js';
import { RUNS_ALL } from '../../../fixtures/test-all.js';
import { seededNormal, seededRandom } from '../seeded-random.js';

const GROUND: Rgb = [-0.6, -0.6, -0.6];
const VALUES = { red: [0.9, -0.8, -0.8], blue: [-0.7, -0.5, 0.95], white: [1, 1, 1] } as const;

const put = (
  color: 'red' | 'blue',
  shape: SceneObject['shape'],
  centerX: number,
  centerY: number,
  size = 6,
) => ({ color, shape, centerX, centerY, size, rgb: VALUES[color] }) satisfies SceneObject;
const picture = (...objects: SceneObject[]) => renderScene({ background: GROUND, objects } satisfies Scene);
const verdict = (image: Float32Array, text: string) => verify(image, parsePrompt(text));

function readShare(prompts: readonly ParsedPrompt[], draws: number, noise: number): number {
  const random = seededRandom(3);
  const normal = seededNormal(4);
  let numRead = 0;
  for (let draw = 0; draw < draws; draw++) {
    const prompt = prompts[Math.floor(random() * prompts.length)]!;
    const image = renderScene(sampleScene(prompt, random));
    if (noise > 0) for (let index = 0; index < PICTURE_LENGTH; index++) image[index]! += noise * normal();
    if (verify(image, prompt).satisfied) numRead++;
  }
  return numRead / draws;
}

/** Of each template. */
const NUM_PICTURES = RUNS_ALL ? 1000 : 200;

describe('verify', () => {
  it.each(TEMPLATES)('should read 99 of 100 clean pictures of template %s', (template) => {
    expect(readShare(captionPrompts(template), NUM_PICTURES, 0)).toBeGreaterThanOrEqual(0.99);
  });

  it.each(TEMPLATES)('should read 97 of 100 pictures under noise of sd 0.1 of template %s', (template) => {
    expect(readShare(captionPrompts(template), NUM_PICTURES, 0.1)).toBeGreaterThanOrEqual(0.97);
  });

  it('should find a picture to satisfy the prompts that mean what it shows, and no other of its template', () => {
    const random = seededRandom(9);
    const prompts = [...promptLists().train, ...promptLists().heldOut];
    const wrong: string[] = [];
    for (const drawn of prompts.filter((_, index) => RUNS_ALL || index % 4 === 0)) {
      const image = drawPicture(drawn, random);
      const parsed = parsePrompt(drawn);
      for (const asked of prompts.map((text) => parsePrompt(text))) {
        if (asked.template !== parsed.template) continue;
        const isTrue = promptMeaning(asked) === promptMeaning(parsed);
        if (verify(image, asked).satisfied !== isTrue) wrong.push(`${drawn} as ${promptMeaning(asked)}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('should reject near misses, noisy ones too', () => {
    const random = seededRandom(21);
    const normal = seededNormal(22);
    for (const prompt of promptLists().train) {
      for (const negative of hardNegatives(prompt, random, 8)) {
        const image = drawPicture(negative, random).map((value) => value + 0.1 * normal());
        expect(verdict(image, prompt).satisfied, `${negative} for ${prompt}`).toBe(false);
      }
    }
  });

  it('should accept a picture for a prompt of another template that it happens to satisfy', () => {
    const image = picture(put('red', 'circle', 4, 4), put('blue', 'square', 5, 12));
    expect(verdict(image, 'a blue square and a red circle').satisfied).toBe(true);
    expect(verdict(image, 'a red circle above a blue square').satisfied).toBe(true);
    expect(verdict(image, 'a blue square below a red circle').satisfied).toBe(true);
    expect(verdict(image, 'a red circle left of a blue square').satisfied).toBe(false);
  });

  it('should report shape, color, box, center and area', () => {
    const [object] = verify(picture(put('blue', 'square', 6, 9)), parsePrompt('one blue square')).objects;
    expect(object).toMatchObject({
      shape: 'square',
      color: 'blue',
      box: { left: 3, top: 6, right: 9, bottom: 12 },
    });
    expect(object!.center[0]).toBeCloseTo(6, 1);
    expect(object!.center[1]).toBeCloseTo(9, 1);
    expect(object!.area).toBeCloseTo(36, 0);
  });

  it.each([
    ['all is right', [put('red', 'circle', 4, 4), put('blue', 'square', 12, 4)], 1],
    [
      'something more is there',
      [put('red', 'circle', 4, 4), put('blue', 'square', 12, 4), put('red', 'circle', 4, 12)],
      1 / 2,
    ],
    ['one shape is wrong', [put('red', 'circle', 4, 4), put('blue', 'circle', 12, 4)], 0.75 / 2 + 1 / 2],
    ['one object is missing', [put('red', 'circle', 4, 4)], 0.5 / 2],
    ['colors are exchanged', [put('blue', 'circle', 4, 4), put('red', 'square', 12, 4)], 0.5 / 2 + 1 / 2],
    ['nothing is there', [], 0],
  ])('should score a binding when %s', (_, objects, score) => {
    const result = verdict(picture(...objects), 'a red circle and a blue square');
    expect(result.score).toBeCloseTo(score, 9);
    expect(result.satisfied).toBe(score === 1);
  });

  it.each([
    ['the order is right', [put('red', 'circle', 4, 8), put('blue', 'square', 12, 8)], 1],
    ['the order is wrong', [put('blue', 'square', 4, 8), put('red', 'circle', 12, 8)], 2 / 3],
    [
      'two wrong objects stand right',
      [put('blue', 'circle', 4, 8), put('red', 'square', 12, 8)],
      (0.5 + 1 + 1) / 3,
    ],
    ['the second object is missing', [put('red', 'circle', 4, 8)], (0.5 + 0 + 0) / 3],
  ])('should score a relation when %s', (_, objects, score) => {
    expect(verdict(picture(...objects), 'a red circle left of a blue square').score).toBeCloseTo(score, 9);
  });

  it.each([
    ['two of three are there', [put('red', 'circle', 4, 4), put('red', 'circle', 12, 4)], 1 / 3],
    [
      'one of three has the wrong shape',
      [put('red', 'circle', 4, 4), put('red', 'circle', 12, 4), put('red', 'square', 4, 12)],
      (2.5 / 3 + 1) / 2,
    ],
  ])('should score a count when %s', (_, objects, score) => {
    expect(verdict(picture(...objects), 'three red circles').score).toBeCloseTo(score, 9);
  });

  it('should count a white object as one without a named color', () => {
    const white = { ...put('red', 'square', 12, 12), rgb: VALUES.white };
    const { objects, satisfied } = verdict(picture(put('red', 'circle', 4, 4), white), 'one red circle');
    expect(objects.map(({ color }) => color)).toContain(null);
    expect(satisfied).toBe(false);
  });

  it('should not name the shape of two objects that have run into each other', () => {
    const image = picture(put('red', 'circle', 5, 5), put('red', 'circle', 10, 7));
    const { objects } = verdict(image, 'two red circles');
    expect(objects.map(({ shape }) => shape)).toEqual([null]);
  });

  it('should read pale pictures and soft edges', () => {
    const random = seededRandom(31);
    const soften = (image: Float32Array) =>
      image.map(
        (value, index) => 0.8 * value + 0.1 * (image[index - 1] ?? value) + 0.1 * (image[index + 1] ?? value),
      );
    const fade = (image: Float32Array) => image.map((value) => -0.6 + 0.75 * (value + 0.6));
    for (const change of [soften, fade]) {
      const prompts = promptLists().train;
      const numRead = prompts.filter(
        (text) => verdict(change(drawPicture(text, random)), text).satisfied,
      ).length;
      expect(numRead / prompts.length).toBeGreaterThanOrEqual(0.95);
    }
  });

  it('should overlook specks', () => {
    const image = picture(put('red', 'circle', 4, 4), put('blue', 'square', 12.5, 12.5, 1.9));
    expect(verdict(image, 'one red circle').satisfied).toBe(true);
  });

  it.each([
    ['a plain ground', new Float32Array(PICTURE_LENGTH).fill(-0.5)],
    ['not a number', new Float32Array(PICTURE_LENGTH).fill(Number.NaN)],
    ['one color all over', renderScene({ background: VALUES.red, objects: [] })],
  ])('should never be satisfied by %s', (_, image) => {
    for (const text of promptLists().train) expect(verdict(image, text).satisfied).toBe(false);
  });
});
