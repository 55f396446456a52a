/** @file Pictures of groups for the studio's tests: those of trees that the demo trained on, cut from their sheets. */

import { readFileSync } from 'node:fs';
import { decode, encode } from 'fast-png';
import type { RoundTrees } from '../../src/streams/messages/round-trees.js';

const FIXTURES = 'test/studio/fixtures';

/** The rounds of the demo whose trees are kept. */
export const TREE_ROUNDS = [0, 32, 65];

interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A prompt with what the network expected at the fork, and its pictures. */
export interface DrawnPrompt {
  readonly prompt: string;
  readonly forkStep: number;
  readonly numSteps: number;
  readonly trainedSteps: readonly number[];
  readonly rewards: readonly number[];
  readonly leaves: readonly Pixels[];
  readonly guess: Pixels;
}

export function readFixture(name: string): Buffer {
  return readFileSync(`${FIXTURES}/${name}`);
}

/** The prompts of all trees that are kept. */
export function drawnPrompts(): DrawnPrompt[] {
  return TREE_ROUNDS.flatMap((round) => {
    const name = `trees-${String(round).padStart(4, '0')}`;
    const { sheet, trees, trainedSteps, timesteps }: RoundTrees = JSON.parse(
      String(readFixture(`${name}.json`)),
    );
    const all = decode(readFixture(`${name}.png`));
    const cut = (index: number): Pixels => {
      const left = sheet.gap + (index % sheet.columns) * (sheet.width + sheet.gap);
      const top = sheet.gap + Math.floor(index / sheet.columns) * (sheet.height + sheet.gap);
      const [width, height] = [sheet.width / sheet.scale, sheet.height / sheet.scale];
      const data = new Uint8Array(width * height * 3);
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
          const from = ((top + y * sheet.scale) * all.width + left + x * sheet.scale) * all.channels;
          data.set(all.data.subarray(from, from + 3), (y * width + x) * 3);
        }
      return { width, height, data };
    };
    return trees.map(({ prompt, leaves, forks }) => ({
      prompt,
      forkStep: forks[0]?.step ?? 0,
      numSteps: timesteps.length,
      trainedSteps,
      rewards: leaves.map(({ reward }) => reward),
      leaves: leaves.map(({ picture }) => cut(picture)),
      guess: cut(forks[0]?.picture ?? 0),
    }));
  });
}

/** The PNG of a picture, on its way from another one: `share` 1 is all there. */
export function pngOf(picture: Pixels, from: Pixels = picture, share = 1): Uint8Array {
  const data = picture.data.map((value, at) =>
    Math.round(share * value + (1 - share) * (from.data[at] ?? 0)),
  );
  return encode({ ...picture, data, channels: 3 });
}
