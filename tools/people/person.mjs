/**
 * @file A scripted person as a reward: shown the pictures of a group, it says which one is best. It sees them with the
 * exact verifier alone, and errs at a given rate. What it says of the same pictures is always the same: its dice are a
 * hash of the seed, the prompt and the pictures, so a run repeats bit for bit, also after a resume.
 *
 * options: `seed`; `wrong`, the share of answers that are another picture, chosen uniformly; `says`: `best` (1 for the
 * picture of its choice, 0 for the others), `ratings` (the verifier's score of each picture, an answer that is wrong
 * having its ratings shuffled) or `likes` (1 for each picture that satisfies the prompt, each told wrongly at that
 * rate); `none`: whether it says "none of them" (0 for all) where no picture satisfies, instead of the nearest.
 */
import { createHash } from 'node:crypto';
import { verify } from '../../dist/models/shapes/pictures/verifier.js';
import { parsePrompt } from '../../dist/models/shapes/prompts/parse-prompt.js';

export function score({ prompt, images, options }) {
  const { seed = 0, wrong = 0.1, says = 'best', none = false } = options;
  const wanted = parsePrompt(prompt);
  const verdicts = images.map(({ values }) => verify(values, wanted));
  const dice = diceOf(seed, prompt, images);
  if (says === 'likes') return verdicts.map(({ satisfied }) => (satisfied !== dice() < wrong ? 1 : 0));
  const scores = verdicts.map((verdict) => verdict.score);
  if (says === 'ratings') return dice() < wrong ? shuffled(scores, dice) : scores;
  if (none && !verdicts.some(({ satisfied }) => satisfied) && dice() >= wrong) return scores.map(() => 0);
  const chosen = chooseBest(scores, wrong, dice);
  return scores.map((_, index) => (index === chosen ? 1 : 0));
}

/** The picture with the highest score, any of them at a tie; wrongly any other one. */
export function chooseBest(scores, wrong, dice) {
  const highest = Math.max(...scores);
  const best = pick(
    indicesWhere(scores, (score) => score === highest),
    dice,
  );
  return dice() < wrong
    ? pick(
        indicesWhere(scores, (_, index) => index !== best),
        dice,
      )
    : best;
}

const indicesWhere = (values, holds) => [...values.keys()].filter((index) => holds(values[index], index));
export const pick = (values, dice) => values[Math.floor(dice() * values.length)];

/** Fisher-Yates. */
function shuffled(values, dice) {
  const mixed = [...values];
  for (let last = mixed.length - 1; last > 0; last--) {
    const other = Math.floor(dice() * (last + 1));
    [mixed[last], mixed[other]] = [mixed[other], mixed[last]];
  }
  return mixed;
}

/** Numbers in [0, 1): 53 bits of SHA-256 each. */
export function diceOf(seed, prompt, images) {
  const hash = createHash('sha256').update(JSON.stringify([seed, prompt]));
  for (const { data } of images) hash.update(data);
  const key = hash.digest();
  let count = 0;
  return () => {
    const digest = createHash('sha256').update(key).update(`${count++}`).digest();
    return Number(digest.readBigUInt64BE() >> 11n) / 2 ** 53;
  };
}
