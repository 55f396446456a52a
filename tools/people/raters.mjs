/**
 * @file Six scripted raters as a reward, three of whom judge each group. Half of them behave as `behavior` says, the others
 * choose by the exact verifier and are wrong one time in ten:
 *
 *     tenth    wrong one time in ten, as all others
 *     third    wrong one time in three
 *     random   any picture
 *     first    always the first one
 *     tastes   the picture with the most color on it, whatever was asked for
 *
 * options: `seed`, `behavior`, and `weigh`: whether votes weigh what `raterHabits` believes of their voters after all votes
 * so far, instead of all alike.
 */
import { verify } from '../../dist/models/shapes/pictures/verifier.js';
import { parsePrompt } from '../../dist/models/shapes/prompts/parse-prompt.js';
import { decideFeedback } from '../../dist/operators/feedback/feedback-rules.js';
import { raterHabits } from '../../dist/operators/feedback/rater-agreement.js';
import { chooseBest, diceOf, pick } from './person.mjs';

export const BEHAVIORS = ['tenth', 'third', 'random', 'first', 'tastes'];
const RATERS = 6;
const VOTERS = 3;
const HALF = RATERS / 2;

/** What three of the raters choose: `{ voter, best }` each. */
export function votesOf(behavior, seed, prompt, images) {
  const verdicts = images.map(({ values }) => verify(values, parsePrompt(prompt)));
  const scores = verdicts.map(({ score }) => score);
  const dice = diceOf(seed, prompt, images);
  const free = Array.from({ length: RATERS }, (_, rater) => rater);
  return Array.from({ length: VOTERS }, () => {
    const [rater] = free.splice(Math.floor(dice() * free.length), 1);
    return {
      voter: `rater ${rater}`,
      best: choiceOf(rater < HALF ? behavior : 'tenth', scores, images, dice),
    };
  });
}

function choiceOf(behavior, scores, images, dice) {
  switch (behavior) {
    case 'random':
      return pick([...scores.keys()], dice);
    case 'first':
      return 0;
    case 'tastes':
      return indexOfMost(images.map(({ data }) => inkOf(data)));
    default:
      return chooseBest(scores, behavior === 'third' ? 1 / 3 : 0.1, dice);
  }
}

/** How far pixels are from gray, summed. */
function inkOf(data) {
  let ink = 0;
  for (let i = 0; i < data.length; i += 3)
    ink += Math.max(data[i], data[i + 1], data[i + 2]) - Math.min(data[i], data[i + 1], data[i + 2]);
  return ink;
}

const indexOfMost = (values) => values.indexOf(Math.max(...values));

/** Groups after which what is known of the raters is computed anew. */
const EVERY = 8;

/** Turns votes into rewards; remembers those of earlier groups. */
export function createTally(weigh) {
  const choices = [];
  let groups = 0;
  let habits = new Map();
  return (votes, numPictures) => {
    if (!weigh)
      return Array.from(
        { length: numPictures },
        (_, picture) => votes.filter(({ best }) => best === picture).length / votes.length,
      );
    const group = `group ${groups++}`;
    choices.push(...votes.map((vote) => ({ ...vote, group })));
    const options = { numPictures, expected: 0.8, priorVotes: 4 };
    if (groups % EVERY === 0) habits = raterHabits(choices, options);
    const weights = votes.map(({ voter }) => habits.get(voter)?.looks ?? options.expected);
    const judgments = votes.map(({ best }) => ({ best }));
    return decideFeedback('best-of-n', judgments, numPictures, weights).rewards;
  };
}

let tally;

export function score({ prompt, images, options: { seed = 0, behavior = 'tenth', weigh = false } }) {
  // An evaluation, which asks about single pictures.
  if (images.length < 2) return images.map(() => 0);
  tally ??= createTally(weigh);
  return tally(votesOf(behavior, seed, prompt, images), images.length);
}
