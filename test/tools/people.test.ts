import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { promptMeaning } from '../../src/models/shapes/prompts/grammar.js';
import { parsePrompt } from '../../src/models/shapes/prompts/parse-prompt.js';
import { promptLists } from '../../src/models/shapes/prompts/prompt-lists.js';

interface Picture {
  readonly data: Uint8Array;
  readonly values: Float32Array;
}
interface Vote {
  readonly voter: string;
  readonly best: number;
}
interface Evaluated {
  readonly satisfied: number;
  readonly images: number;
  readonly list: string;
  readonly template: string;
  readonly diversity: number;
}
interface Comparison {
  readonly base: number;
  readonly change: number;
  readonly interval: number;
  readonly heldOut: number;
  readonly diversityKept: number;
}
interface Tools {
  chooseBest(scores: readonly number[], wrong: number, dice: () => number): number;
  diceOf(seed: number, prompt: string, images: readonly Picture[]): () => number;
  votesOf(behavior: string, seed: number, prompt: string, images: readonly Picture[]): Vote[];
  createTally(weigh: boolean): (votes: readonly Vote[], numPictures: number) => number[];
  unseenPrompts(others: number): { prompt: string; list: string }[];
  compared(evaluation: readonly Evaluated[], base: readonly Evaluated[]): Comparison;
  overSeeds(runs: readonly Comparison[]): { overSeeds: number; change: number; overPrompts: number };
}

let tools: Tools;
beforeAll(async () => {
  const names = ['figures', 'person', 'prompts', 'raters'];
  const modules = names.map((name) => import(pathToFileURL(`tools/people/${name}.mjs`).href));
  tools = Object.assign({}, ...(await Promise.all(modules)));
});

/** Pictures that differ in one byte. */
const pictures = (seed: number, count = 4) =>
  Array.from({ length: count }, (_, index) => ({
    data: Uint8Array.of(seed % 256, seed >> 8, index),
    values: new Float32Array(3 * 16 * 16),
  }));

describe('the scripted person', () => {
  const choices = (wrong: number, scores: readonly number[]) =>
    Array.from({ length: 4000 }, (_, seed) =>
      tools.chooseBest(scores, wrong, tools.diceOf(7, 'a red circle', pictures(seed))),
    );
  const share = (found: readonly number[], picture: number) =>
    found.filter((choice) => choice === picture).length / found.length;

  it('should be wrong as often as it is told to be, on the other pictures alike', () => {
    const found = choices(0.1, [0.5, 1, 0, 0.5]);
    // Four standard deviations of 4,000 draws: 0.019 and 0.011.
    expect(Math.abs(share(found, 1) - 0.9)).toBeLessThan(0.019);
    for (const other of [0, 2, 3]) expect(Math.abs(share(found, other) - 1 / 30)).toBeLessThan(0.011);
  });

  it('should take any of several best ones', () => {
    const found = choices(0, [1, 0, 1, 0]);
    expect(Math.abs(share(found, 0) - 0.5)).toBeLessThan(0.032);
    expect(share(found, 0) + share(found, 2)).toBe(1);
  });

  it('should say the same of the same pictures, and not of others', () => {
    const roll = (seed: number) => tools.diceOf(7, 'a red circle', pictures(seed))();
    expect(roll(1)).toBe(roll(1));
    expect(roll(1)).not.toBe(roll(2));
  });
});

describe('the scripted raters', () => {
  it('should be three different ones a group, of whom those of the first half behave', () => {
    const firsts = Array.from({ length: 40 }, (_, seed) =>
      tools.votesOf('first', 3, 'two red circles', pictures(seed)),
    );
    for (const votes of firsts) expect(new Set(votes.map(({ voter }) => voter)).size).toBe(3);
    const lazy = firsts.flat().filter(({ voter }) => ['rater 0', 'rater 1', 'rater 2'].includes(voter));
    expect(lazy.length).toBeGreaterThan(30);
    expect(lazy.every(({ best }) => best === 0)).toBe(true);
  });

  it('should be counted alike without weights', () => {
    const votes = [2, 2, 0].map((best, index) => ({ voter: `rater ${index}`, best }));
    expect(tools.createTally(false)(votes, 4)).toEqual([1 / 3, 0, 2 / 3, 0]);
  });
});

describe('the prompts nobody votes on', () => {
  it('should mean nothing that is voted on, and begin with the held-out combinations', () => {
    const { train, heldOut } = promptLists();
    const meaning = (prompt: string) => promptMeaning(parsePrompt(prompt));
    const voted = new Set(train.map(meaning));
    const prompts = tools.unseenPrompts(36);
    expect(prompts.slice(0, 36).map(({ prompt }) => prompt)).toEqual(heldOut);
    expect(prompts.filter(({ prompt }) => voted.has(meaning(prompt)))).toEqual([]);
    expect(new Set(prompts.map(({ prompt }) => meaning(prompt))).size).toBe(prompts.length);
  });
});

describe('the figures', () => {
  const one = (satisfied: number, list: string, diversity = 0.8) => ({
    ...{ satisfied, list, diversity, images: 4, template: 'binding', score: 0, prompt: '' },
  });
  const base = [one(1, 'held-out'), one(2, 'other'), one(0, 'other')];

  it('should compare each prompt with itself', () => {
    const found = tools.compared([one(2, 'held-out', 0.4), one(4, 'other'), one(0, 'other')], base);
    // 25, 50 and 0 points: mean 25, standard deviation 25, t with 2 degrees of freedom 4.303.
    expect(found).toMatchObject({ base: 25, change: 25, heldOut: 25, binding: 25, diversityKept: 83.33 });
    expect(found.interval).toBeCloseTo((4.303 * 25) / Math.sqrt(3), 2);
  });

  it('should give the interval over seeds, and that over prompts of the mean of the seeds', () => {
    const runs = [
      [one(2, 'held-out'), one(3, 'other'), one(1, 'other')],
      [one(3, 'held-out'), one(4, 'other'), one(2, 'other')],
    ].map((evaluation) => tools.compared(evaluation, base));
    // 25 points each, then 50 each: no spread over the prompts.
    expect(tools.overSeeds(runs)).toMatchObject({ change: 37.5, overPrompts: 0, leastDiversityKept: 100 });
    expect(tools.overSeeds(runs).overSeeds).toBeCloseTo(12.706 * 12.5, 1);
  });
});
