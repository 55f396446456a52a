/** @file The figures of an evaluation against that of the base model, on the same prompts from the same noise. */

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const rounded = (value) => Math.round(100 * value) / 100;

/** 97.5 % quantiles of Student's t by degrees of freedom, and of the normal distribution beyond. */
const T_QUANTILES = { 1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776 };

/** Half-width of the 95 % interval of a mean of independent values. */
function halfWidth(values) {
  const center = mean(values);
  const variance = values.reduce((sum, value) => sum + (value - center) ** 2, 0) / (values.length - 1);
  return (T_QUANTILES[values.length - 1] ?? 1.97) * Math.sqrt(variance / values.length);
}

/** Points of verified alignment by prompt. */
const pointsOf = ({ satisfied, images }) => (100 * satisfied) / images;

/**
 * The change in points of verified alignment, with its 95 % interval over the prompts (each compared with itself), on the
 * held-out combinations alone and by template, and the share of the diversity that is kept.
 */
export function compared(evaluation, base) {
  const perPrompt = evaluation.map((one, index) => pointsOf(one) - pointsOf(base[index]));
  const among = (holds) => rounded(mean(perPrompt.filter((_, index) => holds(evaluation[index]))));
  return {
    base: rounded(mean(base.map(pointsOf))),
    change: rounded(mean(perPrompt)),
    interval: rounded(halfWidth(perPrompt)),
    heldOut: among(({ list }) => list === 'held-out'),
    ...Object.fromEntries(
      ['binding', 'counting', 'relation'].map((name) => [name, among(({ template }) => template === name)]),
    ),
    diversityKept: rounded(
      (100 * mean(evaluation.map(({ diversity }) => diversity))) /
        mean(base.map(({ diversity }) => diversity)),
    ),
    perPrompt,
  };
}

/** The same over seeds: the mean change, with its interval over the seeds and over the prompts. */
export function overSeeds(runs) {
  const changes = runs.map(({ change }) => change);
  const byPrompt = runs[0].perPrompt.map((_, index) => mean(runs.map(({ perPrompt }) => perPrompt[index])));
  return {
    change: rounded(mean(changes)),
    ...(runs.length > 1 && { overSeeds: rounded(halfWidth(changes)) }),
    overPrompts: rounded(halfWidth(byPrompt)),
    heldOut: rounded(mean(runs.map(({ heldOut }) => heldOut))),
    diversityKept: rounded(mean(runs.map(({ diversityKept }) => diversityKept))),
    leastDiversityKept: Math.min(...runs.map(({ diversityKept }) => diversityKept)),
  };
}
