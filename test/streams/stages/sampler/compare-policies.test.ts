import { expect, it } from 'vitest';
import { canarysPictures, mixedTree } from '../../../../src/streams/stages/sampler/compare-policies.js';

const SEEDS = Array.from({ length: 2000 }, (_, seed) => seed);

it('should compare its share of the requests, each alike every time', () => {
  const options = { seed: 3, share: 0.1, pictures: 4 };
  const compared = SEEDS.flatMap((seed) => canarysPictures(seed, options) ?? []).length / 2;
  expect(compared / SEEDS.length).toBeGreaterThan(0.08);
  expect(compared / SEEDS.length).toBeLessThan(0.12);
  const seed = SEEDS.find((one) => canarysPictures(one, options)) ?? 0;
  expect(canarysPictures(seed, options)).toEqual(canarysPictures(seed, options));
});

it.each([2, 3, 4, 5])('should give each place of %i to either policy equally often', (pictures) => {
  const counts = Array<number>(pictures).fill(0);
  for (const seed of SEEDS)
    for (const place of canarysPictures(seed, { seed: 3, share: 1, pictures }) ?? [])
      counts[place] = (counts[place] ?? 0) + 1;
  for (const count of counts) expect(Math.abs(count / SEEDS.length - 0.5)).toBeLessThan(0.05);
});

it('should replace pictures, latents and guesses of the places of the other policy', () => {
  const treeOf = (value: number) => ({
    tree: { firstStep: 0, widths: [3, 3, 3] },
    branches: [0, 1, 2].map((leaf) => ({
      firstStep: 0,
      latents: Float32Array.of(value, leaf),
      logProbs: Float32Array.of(value),
    })),
    pictures: [0, 1, 2].map((leaf) => Uint8Array.of(value, leaf)),
    guesses: [0, 1, 2].map((node) => ({ step: 1, node, png: Uint8Array.of(value, node) })),
  });
  const { tree, branches, pictures, guesses } = mixedTree(treeOf(1), treeOf(2), [1]);
  expect(tree).toEqual(treeOf(1).tree);
  expect(pictures.map(([value]) => value)).toEqual([1, 2, 1]);
  expect(branches.map(({ latents, logProbs }) => [...latents, ...logProbs])).toEqual([
    [1, 0, 1],
    [2, 1, 2],
    [1, 2, 1],
  ]);
  expect(guesses.map(({ png }) => [...png])).toEqual([
    [1, 0],
    [2, 1],
    [1, 2],
  ]);
});
